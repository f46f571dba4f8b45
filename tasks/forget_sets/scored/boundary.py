"""Forgetting the examples nearest to the decision boundary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.errors import InvalidValue
from tasks.forget_sets.arguments import parse_count
from tasks.forget_sets.base import LEAST, check_size
from tasks.forget_sets.ranking import mark_ranked
from tasks.forget_sets.scored.base import ScoredForgetSet

if TYPE_CHECKING:
    import numpy as np

    from tasks.datasets.dataset import Dataset
    from tasks.forget_sets.scored.base import Scores


@dataclass(frozen=True)
class Boundary(ScoredForgetSet):
    """COUNT: the correctly classified examples nearest to the decision boundary, to first order.

    The gap of the two highest logits is divided by the length of its gradient by the image: the gap
    alone is no distance. Source: Moosavi-Dezfooli et al., DeepFool, 2016, eq. 8, one step.
    """

    def __post_init__(self) -> None:
        """Raise InvalidValue unless the argument is a count."""
        parse_count(self.argument, f"boundary:{self.argument}", LEAST)

    def check(self, dataset: Dataset) -> None:
        """Raise InvalidValue if too few examples are forgotten or retained."""
        check_size(f"boundary:{self.argument}", int(self.argument), len(dataset.train))

    def choose(self, dataset: Dataset, scores: Scores) -> np.ndarray:
        """Mark the examples; raises InvalidValue if too few are correctly classified."""
        import numpy as np

        spec, count = f"boundary:{self.argument}", int(self.argument)
        correct = scores.logits.argmax(1) == dataset.train.labels
        if count > correct.sum():
            raise InvalidValue(
                f"{spec}: {correct.sum()} training examples are correctly classified; valid: {LEAST}..{correct.sum()}"
            )
        distances = np.where(
            correct, measure_distances(scores.logits, scores.margin_slopes), np.inf
        )
        return mark_ranked(distances, "low", count, self.seed, spec)


def measure_distances(logits: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """Divide the gap of the two highest of logits (N, classes) by its `slopes` (N,).

    Where nothing changes the gap the distance is infinite.
    """
    import numpy as np

    second, first = np.sort(logits.astype(np.float64), 1)[:, -2:].T
    return np.divide(first - second, slopes, out=np.full(len(logits), np.inf), where=slopes > 0)
