"""Forgetting the most or the least memorised examples, by a cheap proxy of memorisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.errors import InvalidValue
from tasks.forget_sets.base import check_size
from tasks.forget_sets.ranking import check_ranked, mark_ranked
from tasks.forget_sets.scored.base import ScoredForgetSet
from tasks.registry import one_of

if TYPE_CHECKING:
    import numpy as np

    from tasks.datasets.dataset import Dataset
    from tasks.forget_sets.scored.base import Scores

PROXIES = ("confidence", "max-confidence", "entropy", "accuracy")
"""Each is a mean over the epochs of one training; `accuracy` is the share of epochs with a right answer."""
FORM = "proxy:PROXY:top|low|mid:COUNT"


@dataclass(frozen=True)
class Proxy(ScoredForgetSet):
    """PROXY:WHICH:COUNT: the top, low or mid by confidence, max-confidence, entropy or accuracy over a training.

    The most memorised examples have a low confidence, max-confidence or accuracy, or a top entropy.
    Source: Zhao et al., What makes unlearning hard and what to do about it (RUM), 2024, and its 2410.16516.
    """

    def __post_init__(self) -> None:
        """Raise InvalidValue unless the argument has that form."""
        self._parts()

    def check(self, dataset: Dataset) -> None:
        """Raise InvalidValue if too few examples are forgotten or retained."""
        check_size(f"proxy:{self.argument}", self._parts()[2], len(dataset.train))

    def choose(self, dataset: Dataset, scores: Scores) -> np.ndarray:
        """Mark the examples; equal values, of which `accuracy` has many, are ordered by confidence."""
        proxy, which, count = self._parts()
        values, ties = scores.log[proxy], scores.log["confidence"]
        return mark_ranked(values, which, count, self.seed, f"proxy:{self.argument}", ties)

    def _parts(self) -> tuple[str, str, int]:
        proxy, *rest = self.argument.split(":")
        if not rest:
            raise InvalidValue(f"proxy:{self.argument}: its form is {FORM}")
        one_of("proxy", proxy, PROXIES)
        return proxy, *check_ranked(rest, f"proxy:{self.argument}", FORM)
