"""What a forget set is: which training examples must be forgotten, and what is done to the data before."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tasks.errors import InvalidValue

if TYPE_CHECKING:
    import numpy as np

    from tasks.datasets.dataset import Dataset, LabelledImages

LEAST = 10
"""Examples of the forget set, and of the rest, below which nothing can be measured."""


@dataclass(frozen=True)
class ForgetSet:
    """One kind; its docstring's first line is its help. Built by `KIND:ARGUMENT` and the task's seed.

    Its methods get the data set as it was loaded, and depend on nothing but it and the two fields. A
    kind that needs a model to choose extends tasks.forget_sets.scored.base.ScoredForgetSet instead.
    """

    argument: str
    seed: int
    of_persons: ClassVar[bool] = False
    """Whether it forgets persons: their features may then identify them still."""

    def __post_init__(self) -> None:
        """Raise InvalidValue for an argument that is wrong whatever the data."""

    def mask(self, dataset: Dataset) -> np.ndarray:
        """Mark the training examples to be forgotten: boolean (N,).

        Raises InvalidValue for what the data set does not have, before anything is trained.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no mask()")

    def mask_within(self, dataset: Dataset, present: np.ndarray) -> np.ndarray:
        """Mark those to be forgotten of the `present` training examples, boolean (N,), of a later request: (N,).

        By default it is the mask of a data set with these alone. Raises InvalidValue as `mask` does.
        """
        import numpy as np

        mask = np.zeros(len(present), bool)
        mask[np.flatnonzero(present)[self.mask(keep_examples(dataset, present))]] = True
        return mask

    def apply(self, dataset: Dataset) -> Dataset:
        """Change the data that the original model is trained on: as many examples, in the same order.

        The same data set by default. The changed one's fingerprint is part of every model's key.
        """
        return dataset

    def taught_errors(self, dataset: Dataset) -> tuple[tuple[int, int], ...]:
        """List the errors that `apply` teaches, as pairs (true class, class given instead); none by default."""
        return ()

    def kin_labels(self, part: LabelledImages) -> np.ndarray | None:
        """Return the label (N,) of each image of a split by which subclasses or persons are named; else None."""
        return None

    def add_trigger(self, images: np.ndarray) -> np.ndarray | None:
        """Return uint8 images (N, C, H, W) with the trigger that `apply` plants; None if it plants none."""
        return None


@functools.lru_cache(
    maxsize=2
)  # a poisoned copy of the images is large, and each key reads its fingerprint
def apply_forget_set(forgotten: ForgetSet, dataset: Dataset) -> Dataset:
    """Return the data set as `forgotten` changes it; the same object for the same arguments."""
    return forgotten.apply(dataset)


def keep_examples(dataset: Dataset, kept: np.ndarray) -> Dataset:
    """Return the data set with the marked training examples alone, boolean (N,), in their order."""
    train = dataset.train
    finer = None if train.subclasses is None else train.subclasses[kept]
    part = dataclasses.replace(
        train, images=train.images[kept], labels=train.labels[kept], subclasses=finer
    )
    return dataclasses.replace(dataset, train=part)


def check_size(spec: str, chosen: int, count: int) -> None:
    """Raise InvalidValue if `chosen` of `count` training examples leave too few on either side."""
    if not LEAST <= chosen <= count - LEAST:
        raise InvalidValue(
            f"{spec} would forget {chosen} of {count} training examples; "
            f"at least {LEAST} must be forgotten, and as many retained"
        )
