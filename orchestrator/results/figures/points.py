"""The content of the Pareto figures: the points of a sweep, its front, and their markers."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from orchestrator.results.columns import find_bounds
from orchestrator.results.figures.axes import COST, Axis, choose_axes, is_drawable
from orchestrator.results.noise import NoiseFloor, find_noise_floor
from orchestrator.results.objectives import (
    Objective,
    front_rows,
    steers_on_test,
    steers_on_whole,
)
from orchestrator.results.recommendation import choose_point, find_tied
from orchestrator.results.sweep_rows import (
    ORIGINAL,
    RETRAINED,
    Row,
    Sweep,
    choose_forgotten_column,
)

OVER, UNDER, NEITHER = "over-unlearned", "under-unlearned", "neither over nor under"
"""Kinds of points, by the two flags of the rows."""
# Okabe and Ito's colours, which the colour-blind tell apart, and four more.
COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#7A5195",
    "#8C6D31",
    "#B2182B",
    "#4D9221",
    "#17808A",
)

SHAPES = "o", "s", "D", "^", "P", "v", "X", "h", "<", "p", ">"
"""Markers of methods, beside their colours."""


@dataclass(frozen=True)
class Front:
    """The points of a sweep, and its front under an objective."""

    task: str
    objective: Objective
    measured: list[Row]
    """Points with a value of every metric of the objective."""
    front: list[Row]
    baselines: dict[str, Row]
    """The original's and the retrained model's rows that can be drawn, by role."""
    references: list[Row] = field(default_factory=list)
    """Every retrained model that can be drawn, the one among the baselines included."""
    floor: NoiseFloor | None = None
    recommended: Row | None = None
    tied: list[Row] = field(default_factory=list)
    """Points of the front that are no better than a cheaper one, beyond the noise."""

    @property
    def drawn(self) -> list[Row]:
        """The measured points that have both coordinates."""
        return [row for row in self.measured if is_drawable(row, self.axes)]

    @property
    def axes(self) -> tuple[Axis, Axis]:
        """What the two sides of the plane measure."""
        return choose_axes(self.objective)

    @property
    def forgotten(self) -> str:
        """The column of the accuracy on what is forgotten."""
        return choose_forgotten_column([*self.measured, *self.baselines.values()])

    @property
    def shapes(self) -> dict[str, str]:
        """A marker per unlearner, by name."""
        return assign_shapes(list(self.colours))

    @property
    def trials(self) -> int:
        """Number of trials with measured points."""
        return len({row["trial_id"] for row in self.measured})

    @property
    def colours(self) -> dict[str, str]:
        """A colour per unlearner, by name."""
        return assign_colours(self.drawn)

    def is_on(self, row: Row) -> bool:
        """Tell whether a point is on the front."""
        return any(row is other for other in self.front)

    def is_tied(self, row: Row) -> bool:
        """Tell whether a point of the front is tied with a cheaper one."""
        return any(row is other for other in self.tied)

    def find_band(self, column: str) -> tuple[float, float] | None:
        """Return where a further retrain lies with 95 % probability, within what can be; None if it is unknown."""
        values = [row[column] for row in self.references if row[column] is not None]
        width = self.floor.tell_width(column) if self.floor else None
        if not values or width is None:
            return None
        mean = statistics.fmean(values)
        low, high = find_bounds(column)
        return max(low, mean - width), min(high, mean + width)

    @property
    def caption(self) -> str:
        """One sentence about the selection of the front and its reported values."""
        signs = ["↑" if up else "↓" for up in self.objective.maximise]
        pairs = zip(self.objective.metrics, signs, strict=True)
        told = ", ".join(f"{metric} {sign}" for metric, sign in pairs)
        if steers_on_test(self.objective):
            return f"Front selected on {told}. These include test columns, so its test values are too optimistic."
        if whole := steers_on_whole(self.objective):
            return (
                f"Front selected on {told}. The reported test half had no part in the selection, but what has no "
                f"halves had: {', '.join(whole)}."
            )
        return f"Front selected on {told}. The reported test half had no part in the selection."


def select_front(sweep: Sweep, objective: Objective) -> Front:
    """Find the front of all complete points of the trials, trajectories included."""
    measured = [row for row in sweep.points if objective.gains(row) is not None]
    baselines = {role: sweep.baseline(role) for role in (ORIGINAL, RETRAINED)}
    front = front_rows(sweep.rows, objective)
    floor, axes = find_noise_floor(sweep.rows), choose_axes(objective)
    ties = find_tied(front, floor, objective)
    return Front(
        sweep.task,
        objective,
        measured,
        front,
        {
            role: row
            for role, row in baselines.items()
            if row is not None and is_drawable(row, axes)
        },
        [row for row in sweep.references if is_drawable(row, axes)],
        floor,
        choose_point(front, floor, objective),
        [row for row, tied in zip(front, ties, strict=True) if tied],
    )


def find_kind(row: Row) -> str:
    """Return OVER, UNDER or NEITHER; a row without the flags is of the last kind."""
    over, under = (row.get(flag) == 1 for flag in ("over_unlearned", "under_unlearned"))
    return NEITHER if over == under else OVER if over else UNDER


def assign_colours(rows: Sequence[Row]) -> dict[str, str]:
    """Return a colour for each unlearner of these rows, by name."""
    names = sorted({row["unlearner"] for row in rows})
    return {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}


def assign_shapes(names: Sequence[str]) -> dict[str, str]:
    """Return a marker for each of these unlearners; with its colour it is another one for each of 121."""
    many = len(SHAPES)
    return {name: SHAPES[(i + i // many) % many] for i, name in enumerate(names)}


@dataclass(frozen=True)
class CostScale:
    """Maps costs to [0, 1] on a logarithmic scale, for the size of markers."""

    least: float
    most: float

    def compute_share(self, cost: float | None) -> float:
        """Return 0 for the least cost (or none), 1 for the highest."""
        if not cost or self.most <= self.least:
            return 0.0 if self.most > self.least else 0.5
        share = math.log(cost / self.least) / math.log(self.most / self.least)
        return min(1.0, max(0.0, share))

    @property
    def ticks(self) -> list[float]:
        """Up to three costs for a legend, evenly spread and rounded to one digit."""
        middle = math.sqrt(self.least * self.most)
        rounded = (float(f"{cost:.1g}") for cost in (self.least, middle, self.most))
        return list(dict.fromkeys(rounded))


def make_scale(rows: Sequence[Row]) -> CostScale:
    """Return the scale that spans the costs of `rows`; zero and missing costs are ignored."""
    costs = [row[COST] for row in rows if row[COST]]
    return CostScale(min(costs, default=0.01), max(costs, default=0.01))


def spell_cost(cost: float) -> str:
    """Return a relative cost as a percentage with two digits."""
    return f"{float(f'{100 * cost:.2g}'):g} % of a retrain"
