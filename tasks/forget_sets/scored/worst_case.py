"""Forgetting the examples that a method erases worst: the worst case, found by a bi-level search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.errors import InvalidValue
from tasks.forget_sets.arguments import parse_count
from tasks.forget_sets.base import LEAST, check_size
from tasks.forget_sets.scored.base import ScoredForgetSet

if TYPE_CHECKING:
    import numpy as np

    from tasks.datasets.dataset import Dataset
    from tasks.forget_sets.scored.base import Scores

ROUNDS = 3
"""Runs of the method."""
STEP, PULL = 0.1, 1e-4
"""The step η of the weights, and the weight γ that pulls them towards 0."""


@dataclass(frozen=True)
class WorstCase(ScoredForgetSet):
    """METHOD:COUNT: the examples with the lowest loss after METHOD, with its defaults, forgot them.

    Each of 3 rounds lets METHOD forget the COUNT examples with the highest weights on the scoring model,
    and moves the weights against the losses that follow. The authors' inner problem weights every
    example; a method here takes a set. Source: Fan et al., Challenging forgets, 2024, eqs. 4 to 6.
    """

    def __post_init__(self) -> None:
        """Raise InvalidValue unless the argument names a method and a count."""
        method, colon, count = self.argument.rpartition(":")
        if not colon or not method:
            raise InvalidValue(f"worst:{self.argument}: its form is worst:METHOD:COUNT")
        parse_count(count, f"worst:{self.argument}", LEAST)

    def check(self, dataset: Dataset) -> None:
        """Raise InvalidValue for a method that cannot forget single examples, or too few of these."""
        from tasks.scoring.methods import check_method

        method, _, count = self.argument.rpartition(":")
        check_method(method, f"worst:{self.argument}")
        check_size(f"worst:{self.argument}", int(count), len(dataset.train))

    def choose(self, dataset: Dataset, scores: Scores) -> np.ndarray:
        """Mark the examples with the highest weights after the last round."""
        import numpy as np

        method, _, size = self.argument.rpartition(":")
        count, total = int(size), len(dataset.train)
        order = np.random.default_rng(self.seed).permutation(total)  # equal weights: by chance
        weights = np.full(total, count / total)
        for _ in range(ROUNDS):
            losses = scores.losses_after(method, mark_heaviest(weights, count, order))
            weights = project_weights(weights - STEP * (losses + 2 * PULL * weights), count)
        return mark_heaviest(weights, count, order)


def mark_heaviest(weights: np.ndarray, count: int, order: np.ndarray) -> np.ndarray:
    """Mark `count` of N examples with the highest weights (N,); of equal ones those first in `order` (N,)."""
    import numpy as np

    mask = np.zeros(len(weights), bool)
    mask[order[np.argsort(-weights[order], kind="stable")[:count]]] = True
    return mask


def project_weights(values: np.ndarray, total: float) -> np.ndarray:
    """Return the nearest weights (N,) in [0, 1] with the sum `total`: clip(values − μ, 0, 1), μ by bisection."""
    import numpy as np

    low, high = float(values.min()) - 1, float(values.max())
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if np.clip(values - middle, 0, 1).sum() > total:
            low = middle
        else:
            high = middle
    return np.clip(values - (low + high) / 2, 0, 1)
