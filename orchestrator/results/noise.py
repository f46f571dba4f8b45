"""What the original model and the references say of any difference: whether it is more than noise."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.results.columns import COSTS, MEASURED, ROLES

Row = Mapping[str, Any]
_, ORIGINAL, RETRAINED = ROLES
LEVEL = 0.95
"""Share of further retrains that fall within the noise."""
FEWEST = 3
"""Values below which no interval is shown: of two it is more than ten times as wide as they are apart."""
LEAST_STEP = 0.1
"""Share of the way from the original to what a reference has that counts as a step.

Two references are at the same distance from each other: their scores do not differ, nor do other columns of what lies
between them, and they show no noise.
"""
CLOSE = 0.1
"""Way from the original to a score of 1 that two references cannot judge. On the digits, with eight, a further retrain
lies within .17 of their mean."""
SCORES = ("indistinguishability", "validation_indistinguishability")
"""Columns whose best value is 1 by definition: what a reference has."""
LIKE_REFERENCES = frozenset(column.name for column in MEASURED if column.best == "references")
"""Columns whose best value is what the references have."""
FREE = frozenset(column.name for column in COSTS)
"""Columns in which nothing beats the original model: it costs nothing."""


@dataclass(frozen=True)
class Bar:
    """What a point must exceed in a column to be better than the original beyond the noise."""

    column: str
    maximise: bool
    original: float
    """The original's value."""
    least: float
    """The gain that must be exceeded."""

    def is_exceeded(self, row: Row) -> bool:
        """Tell whether a row is better in this column; false if it has no value."""
        value = row.get(self.column)
        if value is None:
            return False
        gain = value - self.original if self.maximise else self.original - value
        return bool(gain > self.least)


@dataclass(frozen=True)
class NoiseFloor:
    """The original model, and how far a further retrain may lie from the mean of the references."""

    original: Row
    references: Sequence[Row]

    def values(self, column: str) -> list[float]:
        """Return what the references have in a column; those without a value are left out."""
        return [row[column] for row in self.references if row.get(column) is not None]

    def width(self, column: str) -> float:
        """Return half the width of the interval that holds a further retrain with 95 % probability.

        Student's t prediction interval; infinite for fewer than two references.
        """
        values = self.values(column)
        if len(values) < 2:
            return math.inf
        from scipy.special import stdtrit

        quantile = float(stdtrit(len(values) - 1, (1 + LEVEL) / 2))
        return quantile * statistics.stdev(values) * math.sqrt(1 + 1 / len(values))

    def tell_width(self, column: str) -> float | None:
        """Return `width` for a reader; None for fewer than FEWEST references with a value."""
        return self.width(column) if len(self.values(column)) >= FEWEST else None

    def spread(self, column: str) -> float:
        """Return the standard deviation of a column between the references; 0 for fewer than two values."""
        values = self.values(column)
        return statistics.stdev(values) if len(values) > 1 else 0.0

    def is_beaten(self, row: Row, metrics: Sequence[str], maximise: Sequence[bool]) -> bool:
        """Tell whether a row is better than the original beyond the noise: what is not is no result of unlearning.

        Better means: in the score, where the objective has one. A model that forgot nothing is on no front
        however accurate, since more training alone makes it so; and of some hundred points a few are more
        accurate than a 95 % interval allows. Without a score, better in one of the metrics. Costs do not
        count, unless nothing else is asked for.
        """
        bars = self.list_bars(metrics, maximise)
        return bars is None or any(bar.is_exceeded(row) for bar in bars)

    def list_bars(self, metrics: Sequence[str], maximise: Sequence[bool]) -> list[Bar] | None:
        """List what a row may exceed to be better than the original; None if nothing is asked for that it could.

        Nothing exceeds a value that the original does not have.
        """
        judged = self.list_judged(metrics, maximise)
        if not judged:
            return None
        known = ((name, up, self.original.get(name)) for name, up in judged)
        return [Bar(n, up, its, self.least_gain(n)) for n, up, its in known if its is not None]

    @staticmethod
    def list_judged(metrics: Sequence[str], maximise: Sequence[bool]) -> list[tuple[str, bool]]:
        """List the metrics in which a row may beat the original, each with whether it is maximised."""
        asked = list(zip(metrics, maximise, strict=True))
        scores = [pair for pair in asked if pair[0] in SCORES]
        return scores or [pair for pair in asked if pair[0] not in FREE]

    def least_gain(self, name: str) -> float:
        """Return what a difference in a column must exceed to be more than noise."""
        return max(self.width(name), self._least_step(name))

    def _least_step(self, name: str) -> float:
        """Return what counts as a step from the original towards what a reference has; 0 where the width tells."""
        original = self.original.get(name) or 0.0
        if name in SCORES:
            return LEAST_STEP * (1 - original)
        values = self.values(name)
        if name not in LIKE_REFERENCES or not values or len(values) >= FEWEST:
            return 0.0
        return LEAST_STEP * abs(statistics.fmean(values) - original)


def explain_what_is_to_forget(floor: NoiseFloor) -> str:
    """Return what the attackers see before any unlearning, in one line for a person.

    The line begins with NOTICE where the original lies within the spread of the references, or close to two
    references, which show no spread.
    """
    column = "validation_indistinguishability"
    original = floor.original.get(column)
    values = floor.values(column)
    if original is None or len(values) < 2:
        return "NOTICE: the attackers could not measure the models: see the rows"
    mean, spread = statistics.fmean(values), statistics.stdev(values)
    seen = (
        f"indistinguishability of the original {original:.3f}, of {len(values)} retrained models "
        f"{mean:.3f}, standard deviation {spread:.3f}"
    )
    if len(values) == 2 and 0 < 1 - original < CLOSE:
        return (
            f"NOTICE: unknown whether there is something to forget: {seen}. Two are at the same distance from each "
            "other and show no spread in this score; --references 4 would"
        )
    if original < min(values) and 1 - original > 2 * (1 - mean):
        return f"there is something to forget: {seen}"
    return (
        f"NOTICE: this task cannot show forgetting: {seen}. A larger model, more epochs or a whole "
        "class would"
    )


def find_noise_floor(rows: Iterable[Row]) -> NoiseFloor | None:
    """Return the noise floor that the models among a sweep's rows show.

    None without an original model, or with fewer than two references: rows before 0.2.0 have one.
    """
    models = [row for row in rows if row["role"] in (ORIGINAL, RETRAINED)]
    original = next((row for row in models if row["role"] == ORIGINAL), None)
    references = [row for row in models if row["role"] == RETRAINED]
    if original is None or len(references) < 2:
        return None
    return NoiseFloor(original, references)
