"""The rows of one sweep: its points, its failures, its two models."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from orchestrator.results.columns import ROLES

Row = dict[str, Any]
"""One row of the results store, by column; see orchestrator.results.columns."""

TRIAL, ORIGINAL, RETRAINED = ROLES
"""Roles of rows. The models of the last two roles have trial ids: the first retrained model has its role's."""
_NEVER = datetime.min.replace(tzinfo=UTC)


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

    def baseline(self, role: str) -> Row | None:
        """Return the complete row of the original or the retrained model; None if it is missing."""
        found = [r for r in self.rows if r["trial_id"] == role and r["state"] == "complete"]
        return max(found, key=finished_at) if found else None


def finished_at(row: Row) -> datetime:
    """Return the end of a row's trial; the earliest possible moment if the row has none."""
    return row["finished_at"] or _NEVER
