"""What values of a column can be: no interval is cut, and no row refused, where the definition allows more."""

from __future__ import annotations

import math

import pytest

from orchestrator.results.checks.ranges import find_limits
from orchestrator.results.columns import COLUMNS, MEASURED, find_bounds


@pytest.mark.parametrize(
    ("name", "bounds", "possible"),
    [
        ("verification_leakage", (-math.inf, math.inf), (-1.0, 1.0)),
        ("validation_verification_leakage", (-math.inf, math.inf), (-1.0, 1.0)),
        ("interclass_error", (0.0, math.inf), (0.0, 2.0)),
        ("aus_random", (0.0, math.inf), (0.0, 2.0)),
        ("aus_class", (0.0, math.inf), (0.0, 2.0)),
        ("ain", (0.0, math.inf), (0.0, 100.0)),
        ("klom_95", (0.0, math.inf), (0.0, 11.5)),
        ("forget_divergence", (0.0, math.inf), (0.0, 1.0)),
        ("test_accuracy", (0.0, 1.0), (0.0, 1.0)),
        ("relative_cost", (0.0, math.inf), (0.0, 3.0)),
    ],
)
def test_bounds_hold_what_the_definition_allows(
    name: str, bounds: tuple[float, float], possible: tuple[float, float]
) -> None:
    assert find_bounds(name) == bounds
    low, high = find_limits(COLUMNS[name])
    assert low <= possible[0] <= possible[1] <= high


def test_a_measured_fraction_has_its_ideal_within_0_and_1() -> None:
    for column in MEASURED:
        if isinstance(column.best, float):
            low, high = find_bounds(column.name)
            assert low <= column.best <= high, column.name
