"""Studies of a sweep, made-up rows of the trials that they propose, and views that show them to other programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial
from store_rows import NOON

from orchestrator.results.objectives import OBJECTIVES
from orchestrator.search.study import UnlearnerStudy
from orchestrator.search.view import DatabaseView, JournalView

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


def mixed(finetune: UnlearnerStudy) -> list[list[Row]]:
    """Ask for and tell two complete trials, one that failed and one that was pruned; return their rows."""
    finished = run(finetune, 2)
    for number, state in enumerate(("failed", "pruned"), 2):
        trial = finetune.ask(TASK)
        rows = [row(1, state="pruned" if state == "pruned" else "complete"), row(2, state=state)]
        finetune.tell(trial["trial_id"], rows)
        finished.append(stored(trial, rows, number))
    return finished


def refuse(text: str) -> None:
    """Fail: a view said something where nothing should be said."""
    pytest.fail(text)


def shown_by_journal(folder: Path, unlearner: str = "finetune") -> optuna.Study:
    """Load the study from the journal of a view, as any other program reads it."""
    file = JournalFileBackend(str(folder / "studies.journal"))
    return optuna.load_study(study_name=f"s/{unlearner}", storage=JournalStorage(file))


def url_of(folder: Path) -> str:
    """Return the address of the database of a view."""
    return f"sqlite:///{folder}/studies.db?timeout=.1"


def shown_by_database(folder: Path, unlearner: str = "finetune") -> optuna.Study:
    """Load the study from the database of a view, as any other program reads it."""
    return optuna.load_study(study_name=f"s/{unlearner}", storage=url_of(folder))


KINDS = {
    "journal": (lambda folder: JournalView("s", folder), shown_by_journal),
    "database": (lambda folder: DatabaseView("s", url_of(folder), is_own=True), shown_by_database),
}
"""How each kind of view is opened, and how another program reads it."""
