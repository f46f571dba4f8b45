"""The confirmation of a front: means over fresh seeds, confidence intervals, and the search's optimism."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pyarrow.compute as pc

from orchestrator.results.columns import COSTS, MEASURED
from orchestrator.results.confirmation.setting import Setting, find_repeated, list_declared
from orchestrator.results.noise import FEWEST, FREE
from orchestrator.results.objectives import Objective, objective_named, score
from orchestrator.results.recommendation import POINTS
from orchestrator.results.store import read_results
from orchestrator.results.sweep_rows import ORIGINAL, RETRAINED

Row = dict[str, Any]
LEVEL = 0.95
"""Level of the confidence intervals."""
ROUNDING = 1e-9
"""Half of an interval, as a share of the mean or of 1, below which the values are equal: (k + 1) / n - k / n is not
the same float for each k."""
AVERAGED = tuple(column.name for column in (*MEASURED, *COSTS))


@dataclass(frozen=True)
class Estimate:
    """A mean over `n` seeds, and half the width of its confidence interval.

    The interval is Student's t; `half` is None for a single seed.
    """

    mean: float
    half: float | None
    n: int

    @property
    def has_interval(self) -> bool:
        """Tell whether there are values enough for an interval that says something."""
        return self.half is not None and self.n >= FEWEST

    def clip(self, least: float, most: float) -> tuple[float, float]:
        """Return the ends of the interval, within what the quantity can be; without an interval, the mean twice."""
        half = (self.half or 0.0) if self.has_interval else 0.0
        return max(least, self.mean - half), min(most, self.mean + half)

    def p_value(self) -> float | None:
        """Return the two-sided p-value of Student's t-test that the true mean is 0.

        It is below 1 - LEVEL where the interval leaves 0 out. None without spread: of a single seed, and of equal
        values, such as accuracies that differ by one image with each seed.
        """
        if not self.half:
            return None
        from scipy.special import stdtr

        deviation = abs(self.mean) / self.half * _quantile(self.n)
        return 2 * float(stdtr(self.n - 1, -deviation))


@dataclass
class Repeated:
    """A model that was measured once in the sweep and again with each fresh seed."""

    searched: Row
    """The row in the sweep, by which a point of the front was chosen."""
    tried: set[int] = field(default_factory=set)
    """Seeds with which the model ran again."""
    repeats: dict[int, Row] = field(default_factory=dict)
    """Measured rows by seed. A seed is missing if its trial failed or was stopped before this point.

    Where two sweeps ran the same seed, one has what the other was not asked for.
    """

    def add(self, row: Row) -> None:
        """Add the row of a repeat; the first row of a seed is kept."""
        self.tried.add(row["task_seed"])
        if row["epoch"] == self.searched["epoch"] and row["state"] != "failed":
            kept = self.repeats.setdefault(row["task_seed"], dict(row))
            kept.update({name: value for name, value in row.items() if kept.get(name) is None})

    @property
    def is_whole(self) -> bool:
        """Tell whether it was measured with every seed with which it ran."""
        return self.tried == set(self.repeats)

    def over_seeds(self, column: str) -> Estimate | None:
        """Estimate the mean of a column over the seeds; None if no repeat has a value."""
        return estimate_mean(row.get(column) for row in self.repeats.values())

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
    """The chosen points of a sweep and the two models, each with its repeats."""

    objective: Objective
    baselines: dict[str, Repeated]
    points: list[Repeated]
    """Chosen points that ran again."""
    left_out: int
    """Number of chosen points that did not run again."""

    def judge_points(self) -> list[float | None]:
        """Estimate for each point the probability that neither another point nor the original dominates it.

        None for a point that was not measured with every seed, and for all of them with a single seed.
        """
        from orchestrator.results.confirmation.undominated import estimate_undominated

        whole = [n for n, point in enumerate(self.points) if point.is_whole]
        original = self.baselines.get(ORIGINAL)
        rivals = [original] if original and not FREE.issuperset(self.objective.metrics) else []
        held = [self.points[n] for n in whole]
        seeds = [set(model.repeats) for model in (*held, *rivals)]
        common = sorted(set.intersection(*seeds)) if seeds else []
        gains = {n: self._gains(self.points[n], common) for n in whole}
        kept = [n for n in whole if gains[n]]
        theirs = [values for rival in rivals if (values := self._gains(rival, common))]
        if len(common) < 2 or not kept:
            return [None] * len(self.points)
        width = len(self.objective.metrics)
        mine = np.array([gains[n] for n in kept])
        found = estimate_undominated(mine, np.array(theirs).reshape(-1, len(common), width))
        probability = dict(zip(kept, found, strict=True))
        return [probability.get(n) for n in range(len(self.points))]

    def _gains(self, model: Repeated, seeds: Sequence[int]) -> list[tuple[float, ...]]:
        """Return the gains of a model for each seed; nothing if one is missing."""
        found = [self.objective.gains(model.repeats[seed]) for seed in seeds]
        return [values for values in found if values is not None] if None not in found else []

    def find_best(self) -> Repeated | None:
        """Return the point with the highest mean score over the fresh seeds, on the validation half.

        The score is accuracy × indistinguishability × (1 − cost). None if no point was measured with every seed and
        meets the objective's limits by its means.
        """
        means = {}
        for place, point in enumerate(self.points):
            scores = [score(row) for row in point.repeats.values()]
            if scores and None not in scores and point.is_whole and self.meets_limits(point):
                means[place] = statistics.fmean(value for value in scores if value is not None)
        return self.points[max(means, key=lambda place: means[place])] if means else None

    def meets_limits(self, point: Repeated) -> bool:
        """Tell whether the means of a point over the fresh seeds meet every limit of the objective."""
        columns = {limit.column for limit in self.objective.required}
        means = {name: found.mean for name in columns if (found := point.over_seeds(name))}
        return self.objective.meets_limits(means)

    def measure_flattery(self, metric: str) -> float | None:
        """Return the mean excess of the sweep's values of a metric over the means over the seeds.

        There is no interval: the points share the models of their seeds, so they are not independent.
        """
        pairs = ((point.searched[metric], point.over_seeds(metric)) for point in self.points)
        above = [value - found.mean for value, found in pairs if found and value is not None]
        return statistics.fmean(above) if above else None


def build_confirmation(
    rows: Iterable[Row], name: str, objective: Objective, which: str = "front"
) -> Confirmation:
    """Return the confirmation of sweep `name`, from its rows and the rows of its confirming sweeps.

    `which` names one of POINTS: the points that are looked for among the repeats.
    """
    rows = list(rows)
    searched = [row for row in rows if row["sweep"] == name]
    points = [Repeated(row) for row in POINTS[which](searched, objective)]
    models = [row for row in average_references(searched) if row["role"] in (ORIGINAL, RETRAINED)]
    baselines = {row["trial_id"]: Repeated(row) for row in models}
    repeats = [row for row in average_references(rows) if row["confirms"] == name]
    declared_by = cache(list_declared)  # a method that is not installed takes a second
    settings = [Setting.of(point.searched, declared_by) for point in points]
    for row in sorted(repeats, key=lambda row: (row["sweep"], row["trial_id"])):
        if row["trial_id"] in baselines:
            baselines[row["trial_id"]].add(row)
        elif row["role"] == "trial":
            for place in find_repeated(settings, Setting.of(row, declared_by)):
                points[place].add(row)
    tried = [point for point in points if point.tried]
    return Confirmation(objective, baselines, tried, len(points) - len(tried))


def average_references(rows: Iterable[Row]) -> list[Row]:
    """Return the rows with one retrained model a sweep: the mean of its references, column by column."""
    kept, references = [], defaultdict(list)
    for row in rows:
        if row["role"] == RETRAINED:
            references[row["sweep"]].append(row)
        else:
            kept.append(row)
    for group in references.values():
        first = next((row for row in group if row["trial_id"] == RETRAINED), group[0])
        means = {name: _mean(row[name] for row in group) for name in AVERAGED if name in first}
        kept.append({**first, "trial_id": RETRAINED, **means})
    return kept


def _mean(values: Iterable[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return statistics.fmean(found) if found else None


def read_confirmation(
    storage: str, name: str, objective: str, which: str = "front"
) -> Confirmation:
    """Read the confirmation of sweep `name` from a storage root; see `build_confirmation`.

    Raises InvalidValue for an unknown objective.
    """
    about = (pc.field("sweep") == name) | (pc.field("confirms") == name)
    rows = read_results(storage).filter(about).to_pylist()
    return build_confirmation(rows, name, objective_named(objective), which)


def estimate_mean(values: Iterable[float | None]) -> Estimate | None:
    """Return mean and confidence interval of independent values; None if there are no values."""
    found = [value for value in values if value is not None]
    if not found:
        return None
    n = len(found)
    if n == 1:
        return Estimate(found[0], None, n)
    mean, half = statistics.fmean(found), _quantile(n) * statistics.stdev(found) / math.sqrt(n)
    return Estimate(mean, half if half > ROUNDING * max(1.0, abs(mean)) else 0.0, n)


def _quantile(n: int) -> float:
    """Return half the width of an interval over n values, in standard errors."""
    from scipy.special import stdtrit

    return float(stdtrit(n - 1, (1 + LEVEL) / 2))
