"""The probability that a point is undominated, from its values over a few seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

DRAWS = 4000
"""The standard error of a probability is at most .008."""


def estimate_undominated(points: NDArray[np.float64], others: NDArray[np.float64]) -> list[float]:
    """Estimate for each of P points the probability that none of the others, nor of `others`, dominates its means.

    `points` (P, S, M) and `others` (Q, S, M) hold M values of which more is better, for the same S >= 2 seeds.
    The true means are drawn from their posterior under a flat prior: a multivariate Student's t with S - 1 degrees
    of freedom about the means over the seeds. Seeds stay paired: what a seed does to all points cancels.
    For two points and one value this is the paired t-test. Deterministic.
    """
    rng = np.random.default_rng(0)
    every = np.concatenate([points, others])
    seeds = every.shape[1]
    means = every.mean(1)
    weights = rng.normal(size=(DRAWS, seeds)) / np.sqrt(seeds * (seeds - 1))
    weights *= np.sqrt((seeds - 1) / rng.chisquare(seeds - 1, size=(DRAWS, 1)))
    apart = every - means[:, None]
    drawn = means + np.einsum("ds,psm->dpm", weights, apart)
    found = []
    for point in range(len(points)):
        mine = drawn[:, point, None]
        dominated = (drawn >= mine).all(2) & (drawn > mine).any(2)
        found.append(float(1 - dominated.any(1).mean()))
    return found
