"""The real program as tests start it or resume its sweep, and what it leaves behind."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

import orchestrator
from orchestrator.results.store import read_results

ROOT = Path(__file__).resolve().parent.parent
FEWER = ["--references", "2"]
SWEEP = ("sweep", "--task", "digits-class:1", "--trials", "1", "--unlearners", "ssd")
"""A sweep of one trial: the start of a command line."""
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


def command(*arguments: str | Path) -> list[str]:
    """The command line of the real program; its sweeps train two references unless told otherwise.

    Eight, the default on the digits, would be most of a test's time.
    """
    fewer = [] if arguments[:1] != ("sweep",) or "--references" in arguments else FEWER
    return [sys.executable, "-m", "orchestrator", *map(str, arguments), *fewer]


def rows_of(storage: Path, sweep: str) -> list[dict[str, Any]]:
    """The rows of a sweep."""
    return read_results(storage, sweep).to_pylist()


def trials_of(storage: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each trial and model of the sweep `first`, in order of epoch."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(rows_of(storage, "first"), key=lambda row: row["epoch"]):
        found.setdefault(row["trial_id"], []).append(row)
    return found


def study_of(storage: Path, sweep: str, unlearner: str) -> optuna.Study:
    """The study of one unlearner of a sweep, from its journal."""
    journal = JournalFileBackend(str(storage / "sweeps" / sweep / "studies.journal"))
    return optuna.load_study(study_name=f"{sweep}/{unlearner}", storage=JournalStorage(journal))


class Heard(orchestrator.Observer):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        """See Observer."""
        self.said.append(text)


def resume(storage: Path, *log: str) -> list[str]:
    """Resume the sweep `first` in this process, with these loggers; return what was said."""
    heard = Heard()
    orchestrator.resume("first", storage=storage, log=log, observers=[heard])
    return heard.said
