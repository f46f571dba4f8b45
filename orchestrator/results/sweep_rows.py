"""The rows of one sweep: its points, its failures, its two models."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from orchestrator.results.columns import ROLES

Row = dict[str, Any]
"""One row of the results store, by column; see orchestrator.results.columns."""

TRIAL, ORIGINAL, RETRAINED = ROLES
"""Roles of rows. The models of the last two roles have trial ids: the first retrained model has its role's."""
NUMBER = re.compile(r"(?<![\w.:])\d+(?:\.\d+)?(?:e[-+]?\d+)?(?![\w])")
"""A number in a reason, but for the line number behind the name of a file."""
NEVER = datetime.min.replace(tzinfo=UTC)
"""Sorts what has not ended before all that has."""


FORGOTTEN, FORGET_SET = "test_accuracy_forgotten", "forget_accuracy"
"""Accuracy on what is forgotten: on held-out images of forgotten classes, or on the forget set itself."""


def choose_forgotten_column(rows: Iterable[Row]) -> str:
    """Return which of the two columns these rows have: where no class is forgotten, it is that of the forget set."""
    return FORGOTTEN if any(row.get(FORGOTTEN) is not None for row in rows) else FORGET_SET


@dataclass(frozen=True)
class Sweep:
    """The rows of one sweep."""

    name: str
    rows: list[Row]

    @property
    def task(self) -> str:
        """Name of the task."""
        return next((row["task"] for row in self.rows if row["task"]), "an unnamed task")

    @property
    def points(self) -> list[Row]:
        """Every measured point of the trials: their trajectories, last points included."""
        return [r for r in self.rows if r["role"] == TRIAL and r["state"] != "failed"]

    @property
    def finals(self) -> list[Row]:
        """The last point of each trial that completed."""
        return [row for row in self.points if row["final"] and row["state"] == "complete"]

    @property
    def pruned(self) -> list[Row]:
        """The last point of each trial that a limit stopped. It is not the end of a full trial."""
        return [row for row in self.points if row["final"] and row["state"] == "pruned"]

    @property
    def failures(self) -> list[Row]:
        """The last row of each trial that failed."""
        return [
            r for r in self.rows if r["role"] == TRIAL and r["state"] == "failed" and r["final"]
        ]

    @property
    def references(self) -> list[Row]:
        """The rows of the models retrained without the forget set, the first one first."""
        found = {r["trial_id"]: r for r in self.rows if r["role"] == RETRAINED}
        return [found[name] for name in sorted(found, key=lambda name: (name != RETRAINED, name))]

    def list_reasons(self, ended: Mapping[str | None, int] | None = None) -> list[str]:
        """List why trials failed or were pruned: a line for each method and reason, with counts.

        Reasons that differ in numbers alone are one; a line number (`bad.py:17`) is no such number. `ended` are
        the trials of each method that have ended, if the rows are not all.
        """
        trials = ended or Counter(
            r["unlearner"] for r in self.rows if r["role"] == TRIAL and r["final"]
        )
        found: dict[tuple[Any, ...], list[str]] = {}
        for row in [*self.failures, *self.pruned]:
            reason = " ".join((row["error"] or "for no stored reason").split())
            key = row["unlearner"], row["state"], *NUMBER.split(reason)
            found.setdefault(key, []).append(reason)
        return [
            f"{method or 'an unnamed method'}: {len(reasons)} of {trials[method]} {state}: {_join(reasons)}"
            for (method, state, *_), reasons in found.items()
        ]

    def baseline(self, role: str) -> Row | None:
        """Return the complete row of the original or the retrained model; None if it is missing."""
        found = [r for r in self.rows if r["trial_id"] == role and r["state"] == "complete"]
        return max(found, key=finished_at) if found else None


def _join(reasons: list[str]) -> str:
    """Return texts that differ in numbers alone as one, with … for the numbers that differ."""
    numbers = zip(*map(NUMBER.findall, reasons), strict=True)
    told = (values[0] if len(set(values)) == 1 else "…" for values in numbers)
    return NUMBER.sub(lambda _: next(told), reasons[0])


def finished_at(row: Row) -> datetime:
    """Return the end of a row's trial; the earliest possible moment if the row has none."""
    return row["finished_at"] or NEVER
