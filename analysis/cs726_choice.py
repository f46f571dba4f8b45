"""The choice of points that correspond to the models of the CS726 deck, by validation columns alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.results.noise import NoiseFloor
from orchestrator.results.objectives import OBJECTIVES
from orchestrator.results.sweep_rows import Row

MIA_MARGIN, COST_LIMIT = 0.03, 0.05
"""Class-matched MIA within .5 ± .03; floating-point operations under 5 % of a retrain's."""
ROUNDING = 1e-9
"""0.53 - 0.5 is a little more than 0.03 in floating point."""


@dataclass(frozen=True)
class Half:
    """The columns of one half of the held-out data."""

    accuracy: str
    attack: str


VALIDATION = Half("validation_accuracy_retained", "validation_mia_class_matched_accuracy")
TEST = Half("test_accuracy_retained", "mia_class_matched_accuracy")

CONDITIONS = (
    "validation_accuracy_retained at least the original's, "
    "validation_mia_class_matched_accuracy in .5 ± .03, relative_cost under .05"
)


FORGOT = "beat the original in validation_indistinguishability beyond the noise"
PARETO = OBJECTIVES["pareto"]


@dataclass(frozen=True)
class Choice:
    """A chosen point, and the reason in one sentence."""

    row: Row
    qualifies: bool
    rule: str


def best_final(finals: Sequence[Row], unlearner: str) -> Row | None:
    """Return the last point of a method with the highest validation_accuracy_retained."""
    column = VALIDATION.accuracy
    rows = [r for r in finals if r["unlearner"] == unlearner and r[column] is not None]
    return max(rows, key=lambda row: row[column], default=None)


def choose_final(
    points: Sequence[Row], original: Row, floor: NoiseFloor | None = None
) -> Choice | None:
    """Choose the final model of a sweep on the validation half; None if no point is measured.

    Among the points that meet every condition, the most accurate is chosen. If no point meets all,
    the point with the smallest sum of shortfalls is chosen. Where the noise `floor` is known, the final
    model must have forgotten: by the deck's conditions alone the original itself would qualify.
    """
    if floor is not None:
        points = [r for r in points if floor.is_beaten(r, PARETO.metrics, PARETO.maximise)]
    needed = (VALIDATION.accuracy, VALIDATION.attack, "relative_cost")
    if original[VALIDATION.accuracy] is None:
        return None
    measured = [row for row in points if all(row[column] is not None for column in needed)]
    fit = [row for row in measured if not list_misses(row, original, VALIDATION)]
    if fit:
        which = "points" if floor is None else f"points that {FORGOT}"
        rule = (
            f"of {len(measured)} {which}, {len(fit)} have {CONDITIONS}; "
            "of those, the highest validation_accuracy_retained."
        )
        return Choice(max(fit, key=_worth), qualifies=True, rule=rule)
    if not measured:
        return None
    nearest = min(measured, key=lambda row: sum(measure_shortfalls(row, original, VALIDATION)))
    rule = (
        f"no point qualifies ({CONDITIONS}); shown is the nearest of {len(measured)}, "
        "with the smallest sum of shortfalls in accuracy, MIA and cost."
    )
    return Choice(nearest, qualifies=False, rule=rule)


def measure_shortfalls(row: Row, original: Row, half: Half) -> tuple[float, float, float]:
    """Return the shortfalls of a point in accuracy, attack and cost, as fractions; 0 if it has none.

    A cost of exactly the limit has a shortfall of 0, though `list_misses` counts it.
    """
    return (
        max(0.0, original[half.accuracy] - row[half.accuracy]),
        max(0.0, abs(row[half.attack] - 0.5) - MIA_MARGIN),
        max(0.0, row["relative_cost"] - COST_LIMIT),
    )


def list_misses(row: Row, original: Row, half: Half) -> list[str]:
    """List the conditions that a point does not meet, in words; empty if it meets all three."""
    if None in (row[half.accuracy], row[half.attack], original[half.accuracy]):
        return [f"{half.accuracy} or {half.attack} is missing"]
    accuracy, attack, _ = measure_shortfalls(row, original, half)
    found = []
    if accuracy > ROUNDING:
        found.append(f"retained accuracy {row[half.accuracy]:.4f} < {original[half.accuracy]:.4f}")
    if attack > ROUNDING:
        found.append(f"class-matched MIA {row[half.attack]:.3f} not in .5 ± {MIA_MARGIN:.2f}")
    if row["relative_cost"] >= COST_LIMIT:
        found.append(f"cost {100 * row['relative_cost']:.1f} % of a retrain, not under 5 %")
    return found


def _worth(row: Row) -> tuple[float, float]:
    return row[VALIDATION.accuracy], -row["relative_cost"]
