"""The ruler by which two fronts are compared, and the noise of what it measures.

The ruler is one for all sweeps, whatever they optimised: the hypervolume of accuracy on retained classes,
indistinguishability and the saved share of a retrain's cost, on the test half. It is at most 1, and the points are
those of the front that the validation half chose.

The noise of a hypervolume is what a further retrain could change: all points of the front move by the least
difference in a column that is more than noise (`NoiseFloor.least_gain`), down and up, in accuracy and in
indistinguishability. The larger change of each column counts, and the two are added as independent errors are.
Two fronts differ if their hypervolumes are further apart than the noise of both, added in the same way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

from orchestrator.results.noise import NoiseFloor, find_noise_floor
from orchestrator.results.objectives import OBJECTIVES, Objective, front_rows
from orchestrator.results.pareto import compute_hypervolume, dominates
from orchestrator.results.recommendation import recommend_point
from orchestrator.results.sweep_rows import Row, Sweep

ACCURACY, HIDDEN, COST = "test_accuracy_retained", "indistinguishability", "relative_cost"
NOISY = ACCURACY, HIDDEN
"""Columns of the ruler in which retrained models differ."""
WORST = (0.0, 0.0, -1.0)
"""The reference point: no accuracy, no indistinguishability, the cost of a retrain."""
PARETO = OBJECTIVES["pareto"]

Point = tuple[float, float, float]


@dataclass(frozen=True)
class ComparedFront:
    """The Pareto front of one sweep under the ruler."""

    sweep: Sweep
    floor: NoiseFloor | None
    rows: list[Row] = field(repr=False)
    """The points of the front that have all of the ruler's values."""
    unmeasured: int
    """Points that would be on the front, and lack a value of the ruler: the search did not measure them whole."""
    recommended: Row | None
    """The point that the sweep recommends by its own objective; None if there is none."""

    @property
    def name(self) -> str:
        """Name of the sweep."""
        return self.sweep.name

    @cached_property
    def points(self) -> list[Point]:
        """The points of the front, more is better."""
        return [(row[ACCURACY], row[HIDDEN], -row[COST]) for row in self.rows]

    @cached_property
    def volume(self) -> float:
        """Hypervolume of the front; 0 for an empty one."""
        return compute_hypervolume(self.points, WORST)

    @cached_property
    def noise(self) -> float | None:
        """Half the width of the interval that the noise between retrains leaves; None if nothing is known of it."""
        if not self.points:
            return 0.0
        if self.floor is None or any(math.isinf(self.floor.width(name)) for name in NOISY):
            return None
        changes = [
            max(
                abs(self._move(axis, sign * self.floor.least_gain(name)) - self.volume)
                for sign in (-1, 1)
            )
            for axis, name in enumerate(NOISY)
        ]
        return math.hypot(*changes)

    def count_dominated(self, other: ComparedFront) -> int:
        """Count the points of this front that a point of the other dominates."""
        return sum(any(dominates(rival, point) for rival in other.points) for point in self.points)

    def _move(self, axis: int, by: float) -> float:
        """Return the hypervolume of the front with all points moved along one axis, within [0, 1]."""
        moved = [[*point] for point in self.points]
        for point in moved:
            point[axis] = min(1.0, max(0.0, point[axis] + by))
        return compute_hypervolume(moved, WORST)


def measure_front(sweep: Sweep, objective: Objective) -> ComparedFront:
    """Return the Pareto front of a sweep under the ruler, from all its rows; `objective` is what the sweep optimised.

    A point without all of the ruler's values keeps no other off the front.
    """
    ruler = (ACCURACY, HIDDEN, COST)
    lacking = {id(r) for r in sweep.points if not all(is_number(r[name]) for name in ruler)}
    rows = front_rows([row for row in sweep.rows if id(row) not in lacking], PARETO)
    unmeasured = sum(id(row) in lacking for row in front_rows(sweep.rows, PARETO))
    recommended = recommend_point(sweep.rows, objective)
    return ComparedFront(sweep, find_noise_floor(sweep.rows), rows, unmeasured, recommended)


def is_number(value: float | None) -> bool:
    """Tell whether a value is there and finite."""
    return value is not None and math.isfinite(value)
