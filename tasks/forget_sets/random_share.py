"""Forgetting a random share of the training split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.errors import InvalidValue
from tasks.forget_sets.base import LEAST, ForgetSet

if TYPE_CHECKING:
    import numpy as np

    from tasks.datasets.dataset import Dataset


@dataclass(frozen=True)
class RandomShare(ForgetSet):
    """SHARE: a seeded random share of the training examples, in (0, 1)."""

    def __post_init__(self) -> None:
        """Raise InvalidValue unless the argument is a share."""
        try:
            valid = 0 < float(self.argument) < 1
        except ValueError:
            valid = False
        if not valid:
            raise InvalidValue(f"random:{self.argument}: the share must be a number in (0, 1)")

    def mask(self, dataset: Dataset) -> np.ndarray:
        """Mark the share; raises InvalidValue if it leaves too few on either side."""
        import numpy as np

        count = len(dataset.train)
        size = round(float(self.argument) * count)
        if not LEAST <= size <= count - LEAST:
            raise InvalidValue(
                f"random:{self.argument} would forget {size} of {count} training examples; "
                f"at least {LEAST} must be forgotten, and as many retained"
            )
        mask = np.zeros(count, bool)
        chosen = np.random.default_rng(self.seed).permutation(count)[:size]
        mask[chosen] = True
        return mask
