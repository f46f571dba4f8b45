"""Studies of a sweep, and made-up rows of the trials that they propose."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial
from store_rows import NOON

from orchestrator.results.objectives import OBJECTIVES
from orchestrator.search.study import UnlearnerStudy

PARETO = OBJECTIVES["pareto"]
TASK = "key-of-the-task"
Row = dict[str, Any]


def study(
    unlearner: str = "finetune",
    sampler: str = "tpe",
    seed: int = 0,
    finished: Iterable[Sequence[Row]] = (),
    given: Sequence[Mapping[str, Any]] | None = None,
) -> UnlearnerStudy:
    """Build it as a driver that starts now does."""
    return UnlearnerStudy(unlearner, PARETO, sampler, seed, finished, given)


def row(epoch: int, accuracy: float = 0.9, state: str = "complete", **more: Any) -> Row:
    """Return what was measured after an epoch of a trial."""
    return {
        "relative_cost": float(epoch),
        "unlearner": "finetune",
        "epoch": epoch,
        "state": state,
        "validation_accuracy_retained": accuracy,
        "validation_indistinguishability": 0.8,
        "unlearn_seconds": float(epoch),
        **more,
    }


def stored(trial: Mapping[str, Any], rows: Sequence[Row], number: int = 0) -> list[Row]:
    """Return the rows as the store has them, of a trial that was the `number`-th to end."""
    identity = {
        "trial_id": trial["trial_id"],
        "unlearner": trial["unlearner"],
        "params": json.dumps(trial["params"]),
        "seed": trial["seed"],
        "role": "trial",
        "finished_at": NOON.replace(minute=number % 60, hour=number // 60),
    }
    return [row | identity for row in rows]


def run(study: UnlearnerStudy, count: int, first: int = 0) -> list[list[Row]]:
    """Ask for and tell trials of two points each; returns their rows, as the store has them."""
    finished = []
    for number in range(first, first + count):
        trial = study.ask(TASK)
        rows = [row(epoch, accuracy=0.01 * number) for epoch in (1, 2)]
        study.tell(trial["trial_id"], rows)
        finished.append(stored(trial, rows, number))
    return finished


def proposed(study: UnlearnerStudy) -> dict[str, FrozenTrial]:
    """Return the trials of a study by id, without the measured ends of pruned ones."""
    trials = (t for t in study.trials if "trial_id" in t.user_attrs)
    return {trial.user_attrs["trial_id"]: trial for trial in trials}


def content(trials: Iterable[FrozenTrial]) -> list[tuple[Any, ...]]:
    """Return what a sampler learns from, of each trial, in order."""
    return [(t.state, t.params, t.distributions, t.values, t.user_attrs) for t in trials]
