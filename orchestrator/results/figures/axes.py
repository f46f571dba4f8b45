"""The sides of the plane in which fronts are drawn: the columns that an objective trades off."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.results.columns import COLUMNS
from orchestrator.results.noise import FREE
from orchestrator.results.objectives import SCORE, STEERING, Objective
from orchestrator.results.sweep_rows import Row

X, Y, COST = "test_accuracy_retained", "indistinguishability", "relative_cost"
"""Columns of the two axes, which are of the test half, unless the objective has others; and of the size of a marker."""
X_LABEL = "test accuracy on the retained classes"
Y_LABEL = "indistinguishability (of retrained models, test half)"


@dataclass(frozen=True)
class Axis:
    """What one side of the plane measures."""

    column: str
    up: bool
    """Whether more is better."""

    @property
    def label(self) -> str:
        """The name of the column, with an arrow towards what is better."""
        words = {X: X_LABEL, Y: Y_LABEL}.get(self.column, self.column.replace("_", " "))
        return f"{words}  →" if self.up else f"←  {words}"

    @property
    def is_share(self) -> bool:
        """Tell whether the column is a fraction, from 0 to 1."""
        return COLUMNS[self.column].unit == "fraction"


USUAL = Axis(X, True), Axis(Y, True)


def choose_axes(objective: Objective) -> tuple[Axis, Axis]:
    """Return what an objective trades off beside the cost, as the test half reports it, accuracy first.

    If it names fewer than two such columns, the usual ones take the place of the others.
    """
    reported = {STEERING[0]: X, STEERING[1]: Y}
    pairs = zip(objective.metrics, objective.maximise, strict=True)
    own = {reported.get(name, name): up for name, up in pairs if name != SCORE and name not in FREE}
    x, y = list({**own, X: True, Y: True}.items())[:2]
    return Axis(*x), Axis(*y)


def is_drawable(row: Row, axes: Sequence[Axis] = USUAL) -> bool:
    """Tell whether a row has both coordinates, as finite numbers."""
    values = [row[axis.column] for axis in axes]
    return all(value is not None and math.isfinite(value) for value in values)
