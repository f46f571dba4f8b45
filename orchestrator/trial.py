"""The trainable: a warm worker that keeps imports, data and models in place from trial to trial."""

from __future__ import annotations

import contextlib
import os
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray import tune

from orchestrator.deadline import Deadline
from orchestrator.rows import Row, proposed_identity, provenance, trial_rows
from orchestrator.store import stored_rows, write_rows
from orchestrator.worker import WorkerSettings, workbench
from tasks.storage import UNWRITABLE
from tasks.unlearners import unlearner_class

if TYPE_CHECKING:
    from tasks.trial import Point


class UnlearningTrial(tune.Trainable):
    """Each step is one point of the trajectory; the rows are stored before the trial is reported done."""

    def setup(
        self,
        config: dict[str, Any],
        settings: WorkerSettings | None = None,
        task_key: str = "",
    ) -> None:
        """Begin the first trial of this process."""
        assert settings is not None
        self._settings, self._task_key = settings, task_key
        self._deadline = Deadline(None, lambda: None)
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin another trial in this process."""
        self._trial = new_config
        self._identity = proposed_identity(self._settings, self._task_key, new_config)
        self._points: list[Point] = []
        self._steps: Any = None
        return True

    def step(self) -> dict[str, Any]:
        """Advance to the next point; after the last one, store the rows and say so.

        Whatever goes wrong in a trial becomes a failed row: the worker lives on.
        """
        settings = self._settings
        if self._steps is None:
            # A worker may have stored this very trial before it died.
            stored = stored_rows(settings.storage, settings.sweep, self._identity["trial_key"])
            if stored:
                return self._done(stored)
        try:
            if self._steps is None:
                self._steps = self._begun()
            point = next(self._steps, None)
        except Exception as error:
            return self._failed(error)
        if point is None and not self._points:
            return self._finish("failed", "the unlearner yielded nothing")
        if point is None:
            return self._finish("complete", None)
        self._points.append(point)
        return {"done": False, "epoch": point.epoch, "trial": self._trial["trial_id"]}

    def cleanup(self) -> None:
        """Close a trial that was stopped half-way."""
        self._deadline.met()
        with contextlib.suppress(Exception):
            self._steps.close()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: a trial that is cut short is run again from its start."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing: see `save_checkpoint`."""

    def _begun(self) -> Iterator[Point]:
        from tasks.trial import run_trial

        trial, limit = self._trial, self._settings.trial_seconds
        bench = workbench(self._settings, self._settings.cpus)
        unlearner = unlearner_class(trial["unlearner"]).from_params(trial["params"])
        reason = f"ran longer than the limit of {limit or 0:g} s"
        self._deadline = Deadline(limit, lambda: self._store("failed", reason))
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
        self._points, self._steps = [], None
        return self._done(rows)

    def _done(self, rows: list[Row]) -> dict[str, Any]:
        slim = _slim(rows, self._settings)
        return {"done": True, "trial": self._trial["trial_id"], "rows": slim}

    def _store(self, state: str, error: str | None) -> list[Row]:
        settings = self._settings
        where: Row = {}
        with contextlib.suppress(Exception):  # there may be no workbench: that is why it failed
            where = provenance(workbench(settings, settings.cpus))
        epoch = self._points[-1].epoch if self._points else 0
        columns = {**where, **self._identity}
        rows = trial_rows(self._points, state=state, error=error, epoch=epoch, **columns)
        write_rows(settings.storage, settings.sweep, self._identity["trial_key"], rows)
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
