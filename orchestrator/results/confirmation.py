"""The confirmation of a front: means over fresh seeds, confidence intervals, and the search's optimism."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pyarrow.compute as pc

from orchestrator.results.objectives import Objective, front_rows, objective_named
from orchestrator.results.pareto import find_front
from orchestrator.results.store import read_results
from orchestrator.results.sweep_rows import ORIGINAL, RETRAINED
from tasks.search_space import EPOCHS

Row = dict[str, Any]
LEVEL = 0.95
"""Level of the confidence intervals."""


@dataclass(frozen=True)
class Estimate:
    """A mean over `n` seeds, and half the width of its confidence interval.

    The interval is Student's t; `half` is None for a single seed.
    """

    mean: float
    half: float | None
    n: int


@dataclass
class Repeated:
    """A model that was measured once in the sweep and again with each fresh seed."""

    searched: Row
    """The row in the sweep, by which a point of the front was chosen."""
    tried: set[int] = field(default_factory=set)
    """Seeds with which the model ran again."""
    repeats: dict[int, Row] = field(default_factory=dict)
    """Measured rows by seed. A seed is missing if its trial failed or was stopped before this point."""

    def add(self, row: Row) -> None:
        """Add a row if it is a repeat of this model; the first row of a seed is kept."""
        mine, its = _of(self.searched), _of(row)
        if row["unlearner"] != self.searched["unlearner"] or not mine.items() <= its.items():
            return
        self.tried.add(row["task_seed"])
        if row["epoch"] == self.searched["epoch"] and row["state"] != "failed":
            self.repeats.setdefault(row["task_seed"], row)

    def over_seeds(self, column: str) -> Estimate | None:
        """Estimate the mean of a column over the seeds; None if no repeat has a value."""
        return estimate_mean(row[column] for row in self.repeats.values())

    def compare_with(self, other: Repeated, column: str) -> Estimate | None:
        """Estimate the mean difference to another model, seed by seed."""
        pairs = (
            (row[column], other.repeats[seed][column])
            for seed, row in self.repeats.items()
            if seed in other.repeats
        )
        return estimate_mean(a - b for a, b in pairs if a is not None and b is not None)


@dataclass(frozen=True)
class Confirmation:
    """The front of a sweep and the two models, each with its repeats."""

    objective: Objective
    baselines: dict[str, Repeated]
    points: list[Repeated]
    """Points of the front that ran again."""
    left_out: int
    """Number of points of the front that did not run again."""

    def judge_points(self) -> list[bool]:
        """Tell for each point whether it holds.

        A point holds if it was measured with every seed and no other such point dominates its means.
        """
        whole = [n for n, point in enumerate(self.points) if point.tried == set(point.repeats)]
        seeds = [set(self.points[n].repeats) for n in whole]
        common = set.intersection(*seeds) if seeds else set()
        means: dict[int, tuple[float, ...]] = {}
        for n in whole:
            gains = [self.objective.gains(self.points[n].repeats[seed]) for seed in common]
            found = [values for values in gains if values is not None]
            if found and len(found) == len(gains):
                means[n] = tuple(map(statistics.fmean, zip(*found, strict=True)))
        kept = {list(means)[index] for index in find_front(list(means.values()))}
        return [n in kept for n in range(len(self.points))]

    def measure_flattery(self, metric: str) -> float | None:
        """Return the mean excess of the sweep's values of a metric over the means over the seeds.

        There is no interval: the points share the models of their seeds, so they are not independent.
        """
        pairs = ((point.searched[metric], point.over_seeds(metric)) for point in self.points)
        above = [value - found.mean for value, found in pairs if found and value is not None]
        return statistics.fmean(above) if above else None


def build_confirmation(rows: Iterable[Row], name: str, objective: Objective) -> Confirmation:
    """Return the confirmation of sweep `name`, from its rows and the rows of its confirming sweeps."""
    rows = list(rows)
    searched = [row for row in rows if row["sweep"] == name]
    points = [Repeated(row) for row in front_rows(searched, objective)]
    models = (row for row in searched if row["trial_id"] in (ORIGINAL, RETRAINED))
    baselines = {row["trial_id"]: Repeated(row) for row in models}
    repeats = (row for row in rows if row["confirms"] == name)
    for row in sorted(repeats, key=lambda row: (row["sweep"], row["trial_id"])):
        if row["trial_id"] in baselines:
            baselines[row["trial_id"]].add(row)
        elif row["role"] == "trial":
            for point in points:
                point.add(row)
    tried = [point for point in points if point.tried]
    return Confirmation(objective, baselines, tried, len(points) - len(tried))


def read_confirmation(storage: str, name: str, objective: str) -> Confirmation:
    """Read the confirmation of sweep `name` from a storage root.

    Raises InvalidValue for an unknown objective.
    """
    about = (pc.field("sweep") == name) | (pc.field("confirms") == name)
    rows = read_results(storage).filter(about).to_pylist()
    return build_confirmation(rows, name, objective_named(objective))


def estimate_mean(values: Iterable[float | None]) -> Estimate | None:
    """Return mean and confidence interval of independent values; None if there are no values."""
    found = [value for value in values if value is not None]
    if not found:
        return None
    n = len(found)
    if n == 1:
        return Estimate(found[0], None, n)
    from scipy.special import stdtrit

    quantile = float(stdtrit(n - 1, (1 + LEVEL) / 2))
    return Estimate(statistics.fmean(found), quantile * statistics.stdev(found) / math.sqrt(n), n)


def _of(row: Row) -> dict[str, Any]:
    """Return the hyper-parameters that a point shares with its repeats: all but the epochs."""
    params = json.loads(row["params"] or "{}")
    return {name: value for name, value in params.items() if name != EPOCHS}
