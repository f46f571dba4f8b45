"""The content of the Pareto figures: the points of a sweep, its front, and their markers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.results.objectives import Objective, front_rows
from orchestrator.results.sweep_rows import ORIGINAL, RETRAINED, Row, Sweep

X, Y, TIME = "test_accuracy_retained", "indistinguishability", "unlearn_seconds"
"""Columns of the two axes, which are of the test half, and of the size of a marker."""
X_LABEL = "test accuracy on the retained classes"
Y_LABEL = "indistinguishability (of retrained models, test half)"

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

    @property
    def drawn(self) -> list[Row]:
        """The measured points that have both coordinates."""
        return [row for row in self.measured if is_drawable(row)]

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

    @property
    def caption(self) -> str:
        """One sentence about the selection of the front and its reported values."""
        signs = ["↑" if up else "↓" for up in self.objective.maximise]
        pairs = zip(self.objective.metrics, signs, strict=True)
        told = ", ".join(f"{metric} {sign}" for metric, sign in pairs)
        if any(_of_test(metric) for metric in self.objective.metrics):
            return f"Front selected on {told}. These include test columns, so its test values are too optimistic."
        return f"Front selected on {told}. The reported test half had no part in the selection."


def select_front(sweep: Sweep, objective: Objective) -> Front:
    """Find the front of all complete points of the trials, trajectories included."""
    measured = [row for row in sweep.points if objective.gains(row) is not None]
    baselines = {role: sweep.baseline(role) for role in (ORIGINAL, RETRAINED)}
    return Front(
        sweep.task,
        objective,
        measured,
        front_rows(sweep.rows, objective),
        {role: row for role, row in baselines.items() if row is not None and is_drawable(row)},
    )


def assign_colours(rows: Sequence[Row]) -> dict[str, str]:
    """Return a colour for each unlearner of these rows, by name."""
    names = sorted({row["unlearner"] for row in rows})
    return {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}


def is_drawable(row: Row) -> bool:
    """Tell whether a row has both coordinates, as finite numbers."""
    return all(row[axis] is not None and math.isfinite(row[axis]) for axis in (X, Y))


@dataclass(frozen=True)
class Clock:
    """Maps seconds to [0, 1] on a logarithmic scale, for the size of markers."""

    shortest: float
    longest: float

    def compute_share(self, seconds: float | None) -> float:
        """Return 0 for the shortest time (or none), 1 for the longest."""
        if not seconds or self.longest <= self.shortest:
            return 0.0 if self.longest > self.shortest else 0.5
        share = math.log(seconds / self.shortest) / math.log(self.longest / self.shortest)
        return min(1.0, max(0.0, share))

    @property
    def ticks(self) -> list[float]:
        """Up to three times for a legend, evenly spread and rounded to one digit."""
        middle = math.sqrt(self.shortest * self.longest)
        rounded = (float(f"{t:.1g}") for t in (self.shortest, middle, self.longest))
        return list(dict.fromkeys(rounded))


def make_clock(rows: Sequence[Row]) -> Clock:
    """Return the clock that spans the times of `rows`; zero and missing times are ignored."""
    times = [row[TIME] for row in rows if row[TIME]]
    return Clock(min(times, default=1.0), max(times, default=1.0))


def spell_seconds(seconds: float) -> str:
    """Return a duration in a suitable unit: 250 ms, 12 s, 3.5 min."""
    if seconds < 1:
        return f"{1000 * seconds:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 120 else f"{seconds / 60:.3g} min"


def _of_test(metric: str) -> bool:
    return metric.startswith(("test_", "mia_")) or metric == Y
