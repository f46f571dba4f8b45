"""Forgetting the examples with the highest loss."""

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
class Loss(ScoredForgetSet):
    """WHICH:COUNT: the top, low or mid by the mean cross-entropy over the last 5 epochs of a training.

    At the very end all losses are near 0, hence several epochs. The top holds most mislabelled examples.
    """

    def __post_init__(self) -> None:
        """Raise InvalidValue unless the argument has that form."""
        self._parts()

    def check(self, dataset: Dataset) -> None:
        """Raise InvalidValue if too few examples are forgotten or retained."""
        check_size(f"loss:{self.argument}", self._parts()[1], len(dataset.train))

    def choose(self, dataset: Dataset, scores: Scores) -> np.ndarray:
        """Mark the examples by their loss."""
        which, count = self._parts()
        return mark_ranked(scores.log["loss"], which, count, self.seed, f"loss:{self.argument}")

    def _parts(self) -> tuple[str, int]:
        spec = f"loss:{self.argument}"
        return check_ranked(self.argument.split(":"), spec, "loss:top|low|mid:COUNT")
