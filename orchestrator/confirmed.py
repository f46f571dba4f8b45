"""What a front's repeats with fresh seeds say: means with confidence intervals, and how far it flattered."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.early_stopping import EPOCHS
from orchestrator.objectives import Objective, front_rows
from orchestrator.pareto import front

Row = dict[str, Any]
LEVEL = 0.95
"""Of the confidence intervals."""


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds, and half the width of its confidence interval (Student's t; None for one)."""

    mean: float
    half: float | None
    n: int


@dataclass
class Repeated:
    """A model that was measured once in the sweep and again with each fresh seed."""

    searched: Row
    """Its row in the sweep: for a point of the front, what it was chosen by."""
    repeats: list[Row] = field(default_factory=list)
    """Rows of complete repeats, one per seed."""

    def over_seeds(self, column: str) -> Estimate | None:
        """A column over the seeds; None if no repeat has a value."""
        return estimate(row[column] for row in self.repeats)

    def against(self, other: Repeated, column: str) -> Estimate | None:
        """The difference to another model of the same seeds, pair by pair."""
        theirs = {row["task_seed"]: row[column] for row in other.repeats}
        pairs = ((row[column], theirs.get(row["task_seed"])) for row in self.repeats)
        return estimate(a - b for a, b in pairs if a is not None and b is not None)


@dataclass(frozen=True)
class Confirmation:
    """The front of a sweep and the two models, each with its repeats."""

    objective: Objective
    baselines: dict[str, Repeated]
    points: list[Repeated]

    def holds(self) -> list[bool]:
        """Of each point, whether its means over the seeds are still dominated by no other's."""
        gains: dict[int, tuple[float, ...]] = {}
        for number, point in enumerate(self.points):
            means = [self.objective.gains(row) for row in point.repeats]
            found = [values for values in means if values is not None]
            if found:
                gains[number] = tuple(map(statistics.fmean, zip(*found, strict=True)))
        kept = {list(gains)[index] for index in front(list(gains.values()))}
        return [number in kept for number in range(len(self.points))]

    def flattered(self, metric: str) -> float | None:
        """By how much the sweep's values of a metric were above the means over the seeds: on average.

        The points share their seeds' models, so that they do not say how sure this is.
        """
        pairs = ((point.searched[metric], point.over_seeds(metric)) for point in self.points)
        above = [value - found.mean for value, found in pairs if found and value is not None]
        return statistics.fmean(above) if above else None


def confirmation(rows: Iterable[Row], name: str, objective: Objective) -> Confirmation:
    """The confirmation of sweep `name`, from its rows and those of the sweeps that confirm it."""
    rows = list(rows)
    searched = [row for row in rows if row["sweep"] == name]
    points = {_which(row): Repeated(row) for row in front_rows(searched, objective)}
    baselines = {row["role"]: Repeated(row) for row in searched if row["role"] != "trial"}
    for row in rows:
        if row["confirms"] != name or row["state"] == "failed":
            continue
        is_trial = row["role"] == "trial"
        repeated = points.get(_which(row)) if is_trial else baselines.get(row["role"])
        if repeated is not None:
            repeated.repeats.append(row)
    return Confirmation(objective, baselines, list(points.values()))


def estimate(values: Iterable[float | None]) -> Estimate | None:
    """Mean and confidence interval of independent values; None if there is none."""
    found = [value for value in values if value is not None]
    if not found:
        return None
    n = len(found)
    if n == 1:
        return Estimate(found[0], None, n)
    from scipy.special import stdtrit

    quantile = float(stdtrit(n - 1, (1 + LEVEL) / 2))
    return Estimate(statistics.fmean(found), quantile * statistics.stdev(found) / math.sqrt(n), n)


def _which(row: Row) -> Sequence[Any]:
    """What is the same of a point and of its repeats."""
    params = json.loads(row["params"])
    params.pop(EPOCHS, None)
    return row["unlearner"], json.dumps(params, sort_keys=True), row["epoch"]
