"""The base of every logger, and what loggers read of a stored row."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from orchestrator.results.columns import COSTS, MEASURED
from tasks.errors import InvalidValue

Row = Mapping[str, Any]
NUMBERS = tuple(column.name for column in (*MEASURED, *COSTS))
"""Columns that are logged for each point."""
DESCRIBING = ("task", "model", "role", "unlearner", "seed", "references")
"""Columns that are logged for each trial, beside its hyper-parameters."""


class Logger:
    """Writes the trials of a sweep where other programs look; `begin`, `log` and `end` are called in one thread.

    An exception in one of them ends the logger with a notice, never the sweep.
    """

    extra: ClassVar[str] = ""
    """The extra of this project that installs the packages."""
    packages: ClassVar[tuple[str, ...]] = ()
    """Packages that must be there, as they are imported."""
    is_local: ClassVar[bool] = False
    """Whether the target is a path."""

    def __init__(self, name: str, target: str) -> None:
        """Take what follows NAME: on the command line, which may be empty.

        Nothing is written, imported or connected to. An override raises InvalidValue for a target that cannot be.
        """
        self.name, self.target = name, target

    @property
    def secret(self) -> str:
        """The password in the target: it is never shown; empty if there is none."""
        return ""

    @property
    def shown(self) -> str:
        """How a message calls this logger."""
        return self.hide(f"{self.name}:{self.target}" if self.target else self.name)

    def hide(self, text: str) -> str:
        """Return a text without the secret."""
        return text.replace(self.secret, "***") if self.secret else text

    def begin(self, sweep: str) -> None:
        """Open what is written to. The sweep may have been logged before, in part or whole."""

    def log(self, rows: Sequence[Row]) -> None:
        """Log a trial or a model: its stored rows in order of epoch. After a resume every trial comes again."""
        raise NotImplementedError

    def end(self) -> None:
        """Close what was opened."""


class LocalLogger(Logger):
    """A logger whose target is a path, which has to be given."""

    is_local = True

    def __init__(self, name: str, target: str) -> None:
        """Take the path; raises InvalidValue if there is none."""
        super().__init__(name, target)
        if not target:
            raise InvalidValue(f"--log {name} needs a path: {name}:PATH")
        self.path = Path(target).expanduser().absolute()


def read_hyperparameters(row: Row) -> dict[str, Any]:
    """Return the hyper-parameters of a row's trial; none of a model's."""
    params = json.loads(row["params"] or "{}")
    return dict(params)


def describe_trial(row: Row) -> dict[str, Any]:
    """Return what a trial is beside its hyper-parameters, without what is null."""
    return {name: row[name] for name in DESCRIBING if row[name] is not None}


def read_numbers(row: Row) -> dict[str, float]:
    """Return the metrics and costs of a point that have a finite value."""
    found = {name: row[name] for name in NUMBERS if row[name] is not None}
    return {name: float(value) for name, value in found.items() if math.isfinite(value)}


def read_time(row: Row) -> float:
    """Return when a row's trial ended, in seconds since 1970; rows of 0.1.0 may not say."""
    ended = row["finished_at"]
    return float(ended.timestamp()) if ended else 0.0


def has_point(row: Row) -> bool:
    """Tell whether a row is a point; the last row of a failed trial has no metrics."""
    return bool(row["state"] != "failed")
