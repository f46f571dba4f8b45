"""Forgetting the examples that models find hardest early in their training: EL2N."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.forget_sets.base import check_size
from tasks.forget_sets.ranking import check_ranked, mark_ranked
from tasks.forget_sets.scored.base import ScoredForgetSet

if TYPE_CHECKING:
    import numpy as np

    from tasks.datasets.dataset import Dataset
    from tasks.forget_sets.scored.base import Scores


@dataclass(frozen=True)
class EL2N(ScoredForgetSet):
    """WHICH:COUNT: the top, low or mid by the length of softmax minus label, mean of 5 models early in their training.

    Source: Paul et al., Deep learning on a data diet, 2021.
    """

    def __post_init__(self) -> None:
        """Raise InvalidValue unless the argument has that form."""
        self._parts()

    def check(self, dataset: Dataset) -> None:
        """Raise InvalidValue if too few examples are forgotten or retained."""
        check_size(f"el2n:{self.argument}", self._parts()[1], len(dataset.train))

    def choose(self, dataset: Dataset, scores: Scores) -> np.ndarray:
        """Mark the examples by their score: 0 for a certain right answer, √2 for a certain wrong one."""
        which, count = self._parts()
        return mark_ranked(scores.early_error, which, count, self.seed, f"el2n:{self.argument}")

    def _parts(self) -> tuple[str, int]:
        spec = f"el2n:{self.argument}"
        return check_ranked(self.argument.split(":"), spec, "el2n:top|low|mid:COUNT")
