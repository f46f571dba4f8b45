"""Points that are known to be good: docs/methods.md's table, cut down to what a search may use of it.

Each was chosen by its validation half alone. known_points.json is written by `python -m benchmarks.methods --write`,
from benchmarks/data/methods.parquet.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from tasks.errors import InvalidValue
from tasks.forget_sets import FORGET_SETS
from tasks.sequences.task_names import split_name

Known = dict[str, Any]
FILE = Path(__file__).with_name("known_points.json")


def list_known(unlearner: str, task: str) -> list[dict[str, Any]]:
    """Return the hyper-parameters of a method's points of the nearest task that the table has, the best first."""
    points = _read_points()
    nearest = find_nearest(task, sorted({point["task"] for point in points}))
    mine = [p for p in points if (p["task"], p["unlearner"]) == (nearest, unlearner)]
    return [dict(point["params"]) for point in mine]


def find_nearest(task: str, others: list[str]) -> str | None:
    """Return the nearest of other tasks: the same kind of forget set, and if possible the same data set.

    A part of a data set, as cifar10-small, is nearer to the whole than another set is. None if none has that
    kind: what makes a class forgotten says little about a random set.
    """
    dataset, kind = _split(task)

    def distance(other: str) -> tuple[bool, bool]:
        name = _split(other)[0]
        return name != dataset, name.split("-")[0] != dataset.split("-")[0]

    ranked = [(distance(other), other) for other in others if _split(other)[1] == kind]
    return min(ranked)[1] if ranked else None


def _split(task: str) -> tuple[str, str]:
    """Return the data set and the kind of forget set of a task; both empty for a name that is none."""
    try:
        dataset, spec = split_name(task)
    except InvalidValue:
        return "", ""
    return dataset, FORGET_SETS.split(spec)[0]


@functools.cache
def _read_points() -> list[Known]:
    return list(json.loads(FILE.read_text()))
