"""The searcher over studies in a database that stops answering: the sweep ends, and can be resumed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from orchestrator.execution.searcher import StudySearch
from orchestrator.results.objectives import OBJECTIVES
from orchestrator.search.study import UnlearnerStudy
from orchestrator.search.study_storage import open_storage
from tasks.errors import StorageFault

ROWS = [{"state": "failed", "error": "lr is too high", "epoch": 0}]
DONE = {"done": True, "trial": "ssd-0000", "rows": ROWS}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "studies.db"


def search_in(database: Path) -> StudySearch:
    """Two trials of one method; a lock of the database is waited for a tenth of a second."""
    storage = open_storage(database.parent, f"sqlite:///{database}?timeout=.1")
    study = UnlearnerStudy(storage, "s", "ssd", OBJECTIVES["pareto"], "random", 0)
    return StudySearch([study], {"ssd": 2}, [], on_crash=lambda trial: ROWS)


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Another program writes, and does not end."""
    with sqlite3.connect(database) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


def states(database: Path) -> list[TrialState]:
    storage = open_storage(database.parent, f"sqlite:///{database}")
    return [trial.state for trial in optuna.load_study(study_name="s/ssd", storage=storage).trials]


def test_a_proposal_that_the_database_refuses_ends_the_sweep(database):
    search = search_in(database)
    with locked(database):
        assert search.suggest("tune-a") is None
    with pytest.raises(StorageFault, match="database is locked"):
        search.check()
    assert search.left == 2


def test_a_trial_that_the_database_was_not_told_of_still_runs_and_ends_the_sweep(database):
    search = search_in(database)
    search.suggest("tune-a")
    with locked(database):
        search.on_trial_complete("tune-a", DONE)
    with pytest.raises(StorageFault, match="database is locked"):
        search.check()
    assert list(search.running) == ["tune-a"]
    assert states(database) == [TrialState.RUNNING]
