"""Ranges of columns: what a value of a row can be. They are checked in files that have no digest."""

from __future__ import annotations

import math

import pyarrow as pa

from orchestrator.results.columns import (
    COLUMNS,
    COSTS,
    NOT_NEGATIVE,
    REAL,
    ROLES,
    STATES,
    WHOLE,
    Column,
)
from tasks.evaluation import METRICS

ROUNDING = 1e-6
CHOICES = {"role": ROLES, "state": STATES}
ANY = -math.inf, math.inf
AT_LEAST_0 = 0.0, math.inf
LOOSE = -1.0, 2.0
"""Fractions that may leave [0, 1]: a difference, an end of an interval, a sum of two shares."""
COST_NAMES = frozenset(column.name for column in COSTS)


def check_ranges(rows: pa.Table) -> None:
    """Check the columns that a table has; raise ValueError that names the first impossible value."""
    for name in rows.column_names:
        column = COLUMNS.get(name)
        if name in CHOICES:
            _check_choice(name, rows[name])
        elif column is not None and column.type in (REAL, WHOLE):
            _check_limits(name, rows[name], *find_limits(column))


def find_limits(column: Column) -> tuple[float, float]:
    """Return the least and the largest value of a column, which are infinite if nothing is known."""
    if column.type == WHOLE or column.name in COST_NAMES or column.unit in NOT_NEGATIVE:
        return AT_LEAST_0
    if column.name not in METRICS:  # a plug-in's metric
        return ANY
    if column.unit == "flag" or column.best == "up" or column.name.endswith("accuracy"):
        return 0.0, 1.0
    return LOOSE


def _check_choice(name: str, values: pa.ChunkedArray) -> None:
    import pyarrow.compute as pc  # takes a fifth of a second

    found = set(pc.unique(values).to_pylist()) - {None, *CHOICES[name]}
    if found:
        raise ValueError(f"{name} is {min(found)!r}, not {'|'.join(CHOICES[name])}")


def _check_limits(name: str, values: pa.ChunkedArray, least: float, most: float) -> None:
    if (least, most) == ANY:
        return
    import pyarrow.compute as pc

    found = pc.min_max(values).as_py()
    if found["min"] is None:
        return
    for value in found.values():
        if value < least - ROUNDING or value > most + ROUNDING:
            raise ValueError(f"{name} is {value:g}, not within {least:g}..{most:g}")
