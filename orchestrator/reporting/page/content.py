"""What a page tells of one sweep: its settings, its rows, and the rows of the sweeps that confirm it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from orchestrator.config import SweepConfig
from orchestrator.reporting.front_table import choose_shown
from orchestrator.results.columns import COLUMNS, HEADED
from orchestrator.results.confirmation.repeats import Confirmation, Repeated, build_confirmation
from orchestrator.results.figures.axes import COST, X, Y
from orchestrator.results.figures.points import Front, assign_colours, select_front
from orchestrator.results.objectives import STEERING, Objective, objective_named
from orchestrator.results.recommendation import POINTS
from orchestrator.results.sweep_rows import Row, Sweep

ALSO = ("retain_accuracy", "forget_accuracy", "forget_divergence", "oracle_auc", "tow")
"""Columns that a figure offers beside the objective's and those that every table has."""


@dataclass(frozen=True)
class SweepContent:
    """One sweep, as it is stored."""

    config: SweepConfig
    rows: list[Row]
    """All rows of the sweep."""
    repeats: list[Row]
    """The rows of every sweep that confirms it."""
    state: str
    """finished, running or not running."""
    budget: int
    """Number of trials that it is to have."""
    losses: dict[str, Any] | None = None
    """Loss histograms of a point, as `report --losses` stored them."""

    @property
    def name(self) -> str:
        """The name of the sweep."""
        return str(self.config.name)

    @cached_property
    def sweep(self) -> Sweep:
        """The rows by what they are."""
        return Sweep(self.name, self.rows)

    @cached_property
    def objective(self) -> Objective:
        """What the sweep optimises."""
        return objective_named(self.config.aim)

    @cached_property
    def front(self) -> Front:
        """Its points and its front, as the figures of a notebook have them."""
        return select_front(self.sweep, self.objective)

    @property
    def ended(self) -> int:
        """The number of trials that have ended."""
        return len(self.sweep.finals) + len(self.sweep.pruned) + len(self.sweep.failures)

    @cached_property
    def shown(self) -> tuple[str, ...]:
        """The columns of its tables of points."""
        return choose_shown(self.rows)

    @cached_property
    def methods(self) -> list[str]:
        """The methods with a row, sorted."""
        found = {row["unlearner"] for row in self.rows if row["role"] == "trial"}
        return sorted(name for name in found if name)

    @cached_property
    def colours(self) -> dict[str, str]:
        """A colour for each method."""
        return assign_colours([row for row in self.rows if row["unlearner"] in self.methods])

    @cached_property
    def axes(self) -> list[str]:
        """The columns that the figures offer as axes: those that some point has a value of."""
        objective = [name for name in self.objective.metrics if name in COLUMNS]
        wanted = dict.fromkeys([X, Y, *objective, *HEADED, *STEERING, COST, *ALSO])
        return [name for name in wanted if any(row[name] is not None for row in self.sweep.points)]

    @cached_property
    def confirmations(self) -> dict[str, Confirmation]:
        """What the fresh seeds say, by choice of points: front, methods; without those that never ran again."""
        rows = [*self.rows, *self.repeats]
        found = {p: build_confirmation(rows, self.name, self.objective, p) for p in POINTS}
        return {which: kept for which, kept in found.items() if kept.points}

    def find_repeated(self, row: Row) -> Repeated | None:
        """Return a point with its repeats; None if it never ran again."""
        for found in self.confirmations.values():
            for point in found.points:
                if _is_same(point.searched, row):
                    return point
        return None


def list_points(confirmations: Iterable[Confirmation]) -> list[Repeated]:
    """Return the points of all confirmations, each once."""
    points: dict[tuple[str, int], Repeated] = {}
    for found in confirmations:
        for point in found.points:
            points.setdefault((point.searched["trial_id"], point.searched["epoch"]), point)
    return list(points.values())


def _is_same(row: Row, other: Row) -> bool:
    return (row["trial_id"], row["epoch"]) == (other["trial_id"], other["epoch"])
