"""The trainable: a warm worker that keeps imports, data and models in place from trial to trial."""

from __future__ import annotations

import contextlib
import os
import traceback
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray import tune

from orchestrator.deadline import Deadline, overdue
from orchestrator.early_stopping import Limits
from orchestrator.rows import Row, proposed_identity, provenance, trial_rows
from orchestrator.store import stored_rows, write_rows
from orchestrator.worker import WorkerSettings, workbench
from tasks.storage import UNWRITABLE
from tasks.unlearners import unlearner_class

if TYPE_CHECKING:
    from tasks.trial import Point


class UnlearningTrial(tune.Trainable):
    """A single step runs a whole trial; its rows are stored before it is reported done.

    A step per point would cost the driver some milliseconds for each, and nothing reads them there.
    """

    def setup(
        self,
        config: dict[str, Any],
        settings: WorkerSettings | None = None,
        task_key: str = "",
        limits: Limits | None = None,
    ) -> None:
        """Begin the first trial of this process."""
        assert settings is not None
        assert limits is not None
        self._settings, self._task_key, self._limits = settings, task_key, limits
        self._deadline = Deadline(None, lambda: None)
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin another trial in this process."""
        self._trial = new_config
        self._identity = proposed_identity(self._settings, self._task_key, new_config)
        self._points: list[Point] = []
        self._where: Row = {}
        """Filled once there is a workbench."""
        return True

    def step(self) -> dict[str, Any]:
        """Run the whole trial, store its rows and hand them to the driver.

        Whatever goes wrong in a trial becomes a failed row: the worker lives on.
        """
        limit = self._settings.trial_seconds
        self._deadline = Deadline(limit, lambda: self._store("failed", overdue(limit)))
        with self._deadline:
            return self._stepped()

    def _stepped(self) -> dict[str, Any]:
        settings = self._settings
        # A worker may have stored this very trial before it died.
        stored = stored_rows(settings.storage, settings.sweep, self._identity["trial_key"])
        if stored:
            return self._done(stored)
        try:
            state, reason = self._ended()
        except Exception as error:
            return self._failed(error)
        return self._finish(state, reason)

    def cleanup(self) -> None:
        """The process ends; what a hanging trial would wait for no longer matters."""
        self._deadline.met()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: a trial that is cut short is run again from its start."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing: see `save_checkpoint`."""

    def _ended(self) -> tuple[str, str | None]:
        """Run the trial to its end; the state that it ended in, and why."""
        with contextlib.closing(self._begun()) as points:
            for point in points:
                self._points.append(point)
                reason = self._limits.why_ended(
                    point.metrics, point.cost.relative_cost, point.epoch, self._trial["params"]
                )
                if reason:
                    return "pruned", reason
        return ("complete", None) if self._points else ("failed", "the unlearner yielded nothing")

    def _begun(self) -> Generator[Point, None, None]:
        from tasks.trial import run_trial

        trial = self._trial
        bench = workbench(self._settings, self._settings.cpus)
        self._where = provenance(bench)
        unlearner = unlearner_class(trial["unlearner"]).from_params(trial["params"])
        self._deadline.begin()
        return run_trial(bench, unlearner, trial["seed"])

    def _failed(self, error: Exception) -> dict[str, Any]:
        done = self._finish("failed", _reason(error))
        if self._settings.gpus and "CUDA error" in str(error):
            os._exit(1)  # every later call of this process would fail too; another finds the row
        return done

    def _finish(self, state: str, error: str | None) -> dict[str, Any]:
        self._deadline.met()
        try:
            rows = self._store(state, error)
        except UNWRITABLE as problem:  # not the trial's failure: the sweep ends, and can be resumed
            return {"done": True, "trial": self._trial["trial_id"], "unstored": str(problem)}
        return self._done(rows)

    def _done(self, rows: list[Row]) -> dict[str, Any]:
        slim = _slim(rows, self._settings)
        return {"done": True, "trial": self._trial["trial_id"], "rows": slim}

    def _store(self, state: str, error: str | None) -> list[Row]:
        settings, key = self._settings, self._identity["trial_key"]
        # The driver may have given up this worker, cut off for a while, and had another one run it.
        stored = stored_rows(settings.storage, settings.sweep, key)
        if stored:
            return stored
        epoch = self._points[-1].epoch if self._points else 0
        columns = {**self._where, **self._identity}
        rows = trial_rows(self._points, state=state, error=error, epoch=epoch, **columns)
        write_rows(settings.storage, settings.sweep, key, rows)
        return rows


def _slim(rows: list[Row], settings: WorkerSettings) -> list[Row]:
    """What the driver needs of the rows: the store has the rest, and the driver must stay small."""
    from orchestrator.objectives import SCORING

    needed = {"epoch", "state", "error", *SCORING, *settings.objective_metrics}
    return [{name: row.get(name) for name in needed} for row in rows]


def _reason(error: Exception) -> str:
    """One line for the table: the exception, and where it was raised."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    text = str(error).splitlines()[0] if str(error) else ""
    return f"{type(error).__name__}: {text} ({Path(where.filename).name}:{where.lineno})"
