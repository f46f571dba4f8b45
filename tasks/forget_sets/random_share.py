"""Forgetting a random share of the training split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.forget_sets.arguments import parse_share
from tasks.forget_sets.base import ForgetSet, check_size

if TYPE_CHECKING:
    import numpy as np

    from tasks.datasets.dataset import Dataset


@dataclass(frozen=True)
class RandomShare(ForgetSet):
    """SHARE: a seeded random share of the training examples, in (0, 1)."""

    def __post_init__(self) -> None:
        """Raise InvalidValue unless the argument is a share."""
        parse_share(self.argument, f"random:{self.argument}")

    def mask(self, dataset: Dataset) -> np.ndarray:
        """Mark the share; raises InvalidValue if it leaves too few on either side."""
        import numpy as np

        count = len(dataset.train)
        size = round(float(self.argument) * count)
        check_size(f"random:{self.argument}", size, count)
        mask = np.zeros(count, bool)
        chosen = np.random.default_rng(self.seed).permutation(count)[:size]
        mask[chosen] = True
        return mask
