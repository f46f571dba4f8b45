"""What a forget set is: which training examples must be forgotten, and what is done to the data before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from tasks.datasets.dataset import Dataset

LEAST = 10
"""Examples of the forget set, and of the rest, below which nothing can be measured."""


@dataclass(frozen=True)
class ForgetSet:
    """One kind; its docstring's first line is its help. Built by `KIND:ARGUMENT` and the task's seed.

    `mask` and `apply` get the data set as it was loaded, and depend on nothing but it and the two fields.
    """

    argument: str
    seed: int

    def __post_init__(self) -> None:
        """Raise InvalidValue for an argument that is wrong whatever the data."""

    def mask(self, dataset: Dataset) -> np.ndarray:
        """Mark the training examples to be forgotten: boolean (N,).

        Raises InvalidValue for what the data set does not have, before anything is trained.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no mask()")

    def apply(self, dataset: Dataset) -> Dataset:
        """Change the data that the original model is trained on: as many examples, in the same order.

        The same data set by default. The changed one's fingerprint is part of every model's key.
        """
        return dataset
