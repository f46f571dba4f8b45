"""Studies of a sweep, in a folder or a bucket, and made-up rows that they are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState

from orchestrator.results.objectives import OBJECTIVES
from orchestrator.search.study import UnlearnerStudy
from orchestrator.search.study_storage import open_storage
from tasks.storage.roots import open_root

PARETO = OBJECTIVES["pareto"]
Row = dict[str, Any]


def study(
    root: Path | str, unlearner: str = "finetune", sampler: str = "tpe", seed: int = 0
) -> UnlearnerStudy:
    """As a driver that starts now opens it."""
    folder = open_root(root).folder
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    return UnlearnerStudy(open_storage(root, None), "sweep", unlearner, PARETO, sampler, seed)


def recorded(root: Path | str, unlearner: str = "finetune") -> list[optuna.trial.FrozenTrial]:
    """Every trial of a study, the points of trajectories too."""
    return optuna.load_study(
        study_name=f"sweep/{unlearner}", storage=open_storage(root, None)
    ).trials


def row(epoch: int, accuracy: float = 0.9, state: str = "complete", params: str = "{}") -> Row:
    """What was measured after an epoch of a trial."""
    return {
        "relative_cost": 0.1,
        "unlearner": "finetune",
        "params": params,
        "epoch": epoch,
        "state": state,
        "validation_accuracy_retained": accuracy,
        "validation_indistinguishability": 0.8,
        "unlearn_seconds": float(epoch),
    }


def stored_trials(finetune: UnlearnerStudy, count: int) -> dict[str, list[Row]]:
    """Ask for and tell trials of two points each; returns their rows, as the store has them."""
    finished = {}
    for number in range(count):
        trial = finetune.ask()
        params = json.dumps(trial["params"])
        rows = [row(epoch, accuracy=0.1 * number, params=params) for epoch in (1, 2)]
        finetune.tell(trial["trial_id"], rows)
        finished[trial["trial_id"]] = rows
    return finished


def own_values(root: Path | str) -> dict[float, list[float]]:
    """What each trial was told, the points of its trajectory left out, by its learning rate."""
    trials = (t for t in recorded(root) if "trajectory_of" not in t.user_attrs)
    return {t.params["lr"]: t.values for t in trials if t.state == TrialState.COMPLETE}
