"""Adaptive allocation: the next trial goes where a second is expected to gain most hypervolume of the common front.

What a method's next trial may measure is drawn around what its last trials measured: each of them, moved by noise of
the width of a kernel estimate (Scott's rule). How much of the volume that the common front of all methods leaves a draw
would fill is counted on points that are spread evenly over the box of what was seen. The mean over the draws counts as
PRIOR trials beside what the last trials did add to the common front: a promise that is not kept wears off. Divided by
the mean seconds of these trials, it is a method's rate. A method of few trials has a floor: no rate is judged by one
bad draw. All of this is a function of the rows, in the order in which they were told, and of the seed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestrator.results.objectives import Objective
from orchestrator.results.pareto import join_front
from orchestrator.results.rows import sum_own_seconds
from orchestrator.search.allocation import Allocation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Points = NDArray[np.float64]

Row = Mapping[str, Any]
Counts = Callable[[Row], bool]
"""Tells whether a point may lie on the front."""

FLOOR = 2
"""Trials of each method before its rate counts."""
SHARE = 8
"""One in so many trials after that goes to the method with fewest, whatever its rate."""
LATEST = 10
"""Trials by which a method is judged: a sampler learns."""
DRAWS = 4
"""Draws around each of them."""
SAMPLES = 2048
"""Points on which volumes are counted."""
PRIOR = 2.0
"""Trials that the expected gain is worth beside what the last ones gained."""
LEAST_SECONDS = 1e-3


class Adaptive(Allocation):
    """Gives the next trial to the method with the highest expected gain a second; see the module."""

    def __init__(
        self,
        objective: Objective,
        seed: int,
        finished: Sequence[Sequence[Row]] = (),
        counts: Counts = lambda row: True,
        single: Collection[str] = (),
    ) -> None:
        """Begin with trials that have ended, in that order: the rows of each, by epoch, with their method.

        `single` are methods of which nothing is searched: they have one trial.
        """
        self._single = frozenset(single)
        self._objective, self._counts = objective, counts
        self._seed = seed
        self._trials: dict[str, list[Points]] = defaultdict(list)
        self._seconds: dict[str, list[float]] = defaultdict(list)
        self._began: Counter[str] = Counter()
        self._ended: Counter[str] = Counter()
        self._front: list[tuple[float, ...]] = []
        self._filled: dict[str, list[float]] = defaultdict(list)
        """What each trial added to the front, once the floors are behind."""
        self._gains: dict[str, float] = {}
        """Expected gains of a trial, as far as they are known for this front and the trials of now."""
        self._samples = spread_evenly(len(objective.metrics))
        self._best: tuple[float, ...] = ()
        self._worst: tuple[float, ...] = ()
        """Of each value, the best and the worst that were seen."""
        for rows in finished:
            self._began[rows[-1]["unlearner"]] += 1
            self.note(rows[-1]["unlearner"], rows)

    def note(self, unlearner: str, rows: Sequence[Row]) -> None:
        """Take the rows of a trial that has ended, in order of epoch."""
        measured = [row for row in rows if row["state"] != "failed"]
        gains = [g for row in measured if self._counts(row) and (g := self._objective.gains(row))]
        points = np.array(gains, float).reshape(len(gains), len(self._objective.metrics))
        self._ended[unlearner] += 1
        self._gains.pop(unlearner, None)
        self._trials[unlearner].append(points)
        before = self._front, self._worst, self._best
        for point in gains:
            self._front = join_front(self._front, point)
            self._best = tuple(map(max, point, self._best or point))
            self._worst = tuple(map(min, point, self._worst or point))
        if before != (self._front, self._worst, self._best):
            self._gains.clear()
        if self._is_judged:
            self._filled[unlearner].append(self._measure_filled(before[0]))
        if measured:
            self._seconds[unlearner].append(sum_own_seconds(measured[-1]))

    def choose(self, left: Mapping[str, int], able: Sequence[str] | None = None) -> str | None:
        """Choose the method of the next trial; the number left is that of all methods together.

        Of a favoured method it may be below 0. So a method that is not `able` counts too.
        """
        if sum(left.values()) <= 0:
            return None
        asked = left if able is None else able
        able = [name for name in asked if not (name in self._single and self._began[name])]
        if not able:
            return None
        number, fewest = sum(self._began.values()), min(able, key=lambda n: self._began[n])
        if self._began[fewest] >= FLOOR and number % SHARE:
            rates = self.measure_rates(able)
            best = max(able, key=lambda name: (rates[name], -self._began[name]))
            fewest = best if rates[best] > 0 else fewest
        self._began[fewest] += 1
        return fewest

    def measure_rates(self, unlearners: Sequence[str]) -> dict[str, float]:
        """Return the expected share of the box that a second on each method gains; less where trials run already."""
        if not self._front:
            return dict.fromkeys(unlearners, 0.0)
        self._expect_gains([name for name in unlearners if name not in self._gains])
        rates = {}
        for name in unlearners:
            running = self._began[name] - self._ended[name]
            seconds = float(np.mean(self._seconds[name][-LATEST:] or [1.0]))
            filled = self._filled[name][-LATEST:]
            gain = (PRIOR * self._gains[name] + sum(filled)) / (PRIOR + len(filled))
            rates[name] = gain / max(seconds, LEAST_SECONDS) / (1 + running)
        return rates

    @property
    def _is_judged(self) -> bool:
        """Whether the floors are behind: what the very first trials gain says when they ran, and little of them."""
        return bool(self._ended) and sum(self._ended.values()) > FLOOR * len(self._ended)

    def _measure_filled(self, before: list[tuple[float, ...]]) -> float:
        """Return the share of the box that the last trial added to the front `before`."""
        if before == self._front or not before:
            return 0.0
        free = [
            len(keep_free(self._samples, self._scale(front))) for front in (before, self._front)
        ]
        return (free[0] - free[1]) / SAMPLES

    def _scale(self, points: Any) -> Points:
        """Place points in the box of what was seen.

        The best that there can be is 1 of what is maximised and 0 of a cost, unless more was seen.
        """
        high = np.maximum(self._best, np.where(self._objective.maximise, 1.0, 0.0))
        low = np.array(self._worst)
        scaled: Points = (np.array(points) - low) / np.where(high > low, high - low, 1.0)
        return scaled

    def _expect_gains(self, unlearners: Sequence[str]) -> None:
        """Find what a trial of each of these methods is expected to gain."""
        if not unlearners:
            return
        free = keep_free(self._samples, self._scale(self._front))
        for name in unlearners:
            trials = [self._scale(points) for points in self._trials[name][-LATEST:]]
            rng = np.random.default_rng([self._seed, self._ended[name]])
            self._gains[name] = expect_gain(trials, free, rng)


def expect_gain(trials: Sequence[Points], free: Points, rng: np.random.Generator) -> float:
    """Return the mean share of all samples that a trial like these would fill, of the `free` ones (N, values).

    `trials` are the points of each, in a box from 0 to 1; a trial without points gains nothing.
    """
    points = np.concatenate([*trials]) if trials else np.empty((0, free.shape[1]))
    if not len(points) or not len(free):
        return 0.0
    spread = points.std(0) * len(points) ** (-1 / (points.shape[1] + 4))
    total = 0.0
    for trial in trials:
        moves = rng.standard_normal((DRAWS, 1, points.shape[1])) * spread
        drawn = np.minimum(trial + moves, 1.0)
        filled = (drawn[:, :, None, :] >= free).all(3).any(1)
        total += float(filled.mean(0).sum())
    return total / len(trials) / SAMPLES


def keep_free(samples: Points, front: Points) -> Points:
    """Return the samples (N, values) that no point dominates."""
    for point in front:
        samples = samples[~(point >= samples).all(1)]
    return samples


def spread_evenly(values: int) -> Points:
    """Return SAMPLES points (SAMPLES, values) that fill the box from 0 to 1 evenly: Roberts' R sequence (2018)."""
    ratio = 2.0
    for _ in range(50):  # the root of x^(d+1) = x + 1
        ratio = (1 + ratio) ** (1 / (values + 1))
    steps = ratio ** -np.arange(1.0, values + 1)
    return np.mod(0.5 + np.outer(np.arange(1, SAMPLES + 1), steps), 1.0)
