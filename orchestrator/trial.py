"""The trainable: a warm worker that keeps imports, data and models in place from trial to trial."""

from __future__ import annotations

import contextlib
import os
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray import tune

from orchestrator.rows import Row, proposed_identity, provenance, trial_rows
from orchestrator.store import finished_trials, write_rows
from orchestrator.worker import WorkerSettings, workbench
from tasks.unlearners import unlearner_class

if TYPE_CHECKING:
    from tasks.trial import Point


class UnlearningTrial(tune.Trainable):
    """Each step is one point of the trajectory; the rows are stored before the trial is reported done."""

    def setup(self, config: dict[str, Any], settings: WorkerSettings | None = None) -> None:
        """Build the workbench and begin the first trial."""
        assert settings is not None
        self._settings = settings
        self._watchdog = threading.Timer(0.0, self._give_up)
        self._stored: list[Row] = []
        self.reset_config(config)
        # An earlier worker may have stored this trial before it died.
        stored = finished_trials(settings.storage, settings.sweep)
        self._stored = stored.get(config["trial_id"], [])

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin another trial in this process."""
        self._trial = new_config
        self._points: list[Point] = []
        self._steps: Any = None
        self._stored = []
        return True

    def step(self) -> dict[str, Any]:
        """Advance to the next point; after the last one, store the rows and say so.

        Whatever goes wrong in a trial becomes a failed row: the worker lives on.
        """
        trial = self._trial
        if self._stored:
            return self._done(self._stored)
        try:
            bench = workbench(self._settings, self._settings.cpus)
            if self._steps is None:
                from tasks.trial import run_trial

                unlearner = unlearner_class(trial["unlearner"]).from_params(trial["params"])
                self._steps = run_trial(bench, unlearner, trial["seed"])
                self._watch()
            point = next(self._steps, None)
        except Exception as error:
            return self._finish("failed", _reason(error))
        if point is None:
            return self._finish("complete", None)
        self._points.append(point)
        return {"done": False, "epoch": point.epoch, "trial": trial["trial_id"]}

    def cleanup(self) -> None:
        """Close a trial that was stopped half-way."""
        self._watchdog.cancel()
        with contextlib.suppress(Exception):
            self._steps.close()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: a trial that is cut short is run again from its start."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing: see `save_checkpoint`."""

    def _watch(self) -> None:
        if self._settings.trial_seconds is not None:
            self._watchdog = threading.Timer(self._settings.trial_seconds, self._give_up)
            self._watchdog.daemon = True
            self._watchdog.start()

    def _give_up(self) -> None:
        """Whatever a trial hangs in cannot be interrupted from here: its worker ends, and is replaced."""
        self._store("failed", f"ran longer than the limit of {self._settings.trial_seconds:g} s")
        os._exit(1)

    def _finish(self, state: str, error: str | None) -> dict[str, Any]:
        self._watchdog.cancel()
        rows = self._store(state, error)
        self._points, self._steps = [], None
        return self._done(rows)

    def _done(self, rows: list[Row]) -> dict[str, Any]:
        trial_id = self._trial["trial_id"]
        return {"done": True, "trial": trial_id, "rows": _slim(rows, self._settings)}

    def _store(self, state: str, error: str | None) -> list[Row]:
        settings = self._settings
        where = provenance(workbench(settings, settings.cpus))
        rows = trial_rows(
            self._points,
            state=state,
            error=error,
            epoch=self._points[-1].epoch if self._points else 0,
            **{**where, **proposed_identity(settings, where["task_key"], self._trial)},
        )
        write_rows(settings.storage, settings.sweep, rows[0]["trial_key"], rows)
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
