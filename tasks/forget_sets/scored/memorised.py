"""Forgetting the most or the least memorised examples, by models that did not see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.errors import InvalidValue
from tasks.forget_sets.arguments import parse_count
from tasks.forget_sets.base import check_size
from tasks.forget_sets.ranking import check_ranked, mark_ranked
from tasks.forget_sets.scored.base import ScoredForgetSet
from tasks.scoring.memorisation import BLOCK

if TYPE_CHECKING:
    import numpy as np

    from tasks.datasets.dataset import Dataset
    from tasks.forget_sets.scored.base import Scores

FORM = "memorised:top|low|mid:COUNT:MODELS"
MODELS = 20
"""Models, unless the argument says otherwise. A score's standard error is .24 at most, and .20 if those are
always right that saw the example: see `bound_error`. The authors train thousands of models."""


@dataclass(frozen=True)
class Memorised(ScoredForgetSet):
    """WHICH:COUNT[:MODELS]: the top, low or mid by memorisation, read from 20 models on 70 % of the examples each.

    The score is how much more often models are right that saw the example. Source: Feldman and Zhang,
    What neural networks memorize and why, 2020.
    """

    def __post_init__(self) -> None:
        """Raise InvalidValue unless the argument has that form."""
        self._parts()

    def check(self, dataset: Dataset) -> None:
        """Raise InvalidValue if too few examples are forgotten or retained."""
        check_size(f"memorised:{self.argument}", self._parts()[1], len(dataset.train))

    def choose(self, dataset: Dataset, scores: Scores) -> np.ndarray:
        """Mark the examples by their score. Equal ones, most are near 0, go by what models expect that never saw them.

        Seeing an example makes no model worse at it: a score below 0 is noise, and counts as 0. Otherwise
        the lowest scores would be those of hard examples, whose noise is the largest.
        """
        import numpy as np

        which, count, models = self._parts()
        found = scores.memorisation(models)
        spec, ties = f"memorised:{self.argument}", -found.unseen_confidence
        return mark_ranked(np.maximum(found.scores, 0), which, count, self.seed, spec, ties)

    def _parts(self) -> tuple[str, int, int]:
        spec, parts = f"memorised:{self.argument}", self.argument.split(":")
        rest = parts[2:] if len(parts) == 3 else []
        which, count = check_ranked(parts[:2] if rest else parts, spec, FORM)
        models = parse_count(rest[0], spec, BLOCK) if rest else MODELS
        if models % BLOCK:
            raise InvalidValue(f"{spec}: {models} models; valid: multiples of {BLOCK}")
        return which, count, models
