"""A worker in this process, without Ray: what it is told, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator.results.objectives import FrontRule
from orchestrator.worker.call import fold
from orchestrator.worker.early_stopping import Limits
from orchestrator.worker.settings import WorkerSettings
from orchestrator.worker.trial_worker import TrialWorker
from tasks.task import Task

FREE = Limits(cost=100.0)
TASK_KEY = "key"
"""The task's key, as the sweep's first process would tell it."""


def settings(
    storage: Path | str, task: str | Task = "digits-class:1", **more: Any
) -> WorkerSettings:
    """Return what a worker of a sweep `s` on the digits is told."""
    named = Task.named(task) if isinstance(task, str) else task
    given: dict[str, Any] = {
        "sweep": "s", "task": named, "storage": str(storage), "data_dir": None, "loader": "auto",
        "cpus": 1, "gpus": 0.0, "objective_columns": (), "trial_seconds": None,
    }  # fmt: skip
    return WorkerSettings(**given | more)


def propose(unlearner: str, number: int = 0, **params: Any) -> dict[str, Any]:
    """Return a trial as a study proposes it."""
    trial_id = f"{unlearner}-{number:04d}"
    return {"trial_id": trial_id, "unlearner": unlearner, "params": params, "seed": number}


def answer(
    settings: WorkerSettings,
    trials: Sequence[dict[str, Any]],
    limits: Limits = FREE,
    rule: FrontRule | None = None,
) -> dict[str, Any]:
    """Return what a worker reports of a call of these trials."""
    worker = TrialWorker(settings, {"task_key": TASK_KEY}, limits, rule)
    while not (result := worker.run(fold(trials)))["done"]:
        pass
    return dict(result)
