"""Forgetting a random share of one class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.forget_sets.arguments import parse_share, split_argument
from tasks.forget_sets.base import ForgetSet, check_size
from tasks.registry import one_of

if TYPE_CHECKING:
    import numpy as np

    from tasks.datasets.dataset import Dataset

FORM = "class-share:NAME:SHARE"


@dataclass(frozen=True)
class ClassShare(ForgetSet):
    """NAME:SHARE: a seeded random share of the training examples of the class NAME, in (0, 1)."""

    def __post_init__(self) -> None:
        """Raise InvalidValue unless the argument has that form."""
        parse_share(split_argument(self.argument, FORM)[1], f"class-share:{self.argument}")

    def mask(self, dataset: Dataset) -> np.ndarray:
        """Mark the share; raises InvalidValue for an unknown class, listing the classes, or too few examples."""
        import numpy as np

        name, share = split_argument(self.argument, FORM)
        one_of("class", name, dataset.classes)
        members = np.flatnonzero(dataset.train.labels == dataset.classes.index(name))
        size = round(float(share) * len(members))
        check_size(f"class-share:{self.argument}", size, len(dataset.train))
        mask = np.zeros(len(dataset.train), bool)
        mask[np.random.default_rng(self.seed).permutation(members)[:size]] = True
        return mask
