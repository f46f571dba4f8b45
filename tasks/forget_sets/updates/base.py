"""What an update of the data is: examples that must be forgotten, and those that are learned instead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tasks.forget_sets.base import ForgetSet

if TYPE_CHECKING:
    import numpy as np

    from tasks.datasets.dataset import Dataset


@dataclass(frozen=True, eq=False)
class Replacement:
    """What an update came to. Its masks have M entries, one for each training example of `dataset`."""

    dataset: Dataset
    """The data before the update. New examples may follow the N training examples that there were."""
    old: np.ndarray
    """Boolean (M,): what must be forgotten; all of it is among the first N."""
    new: np.ndarray
    """Boolean (M,): what comes instead. No model before the update was trained on it."""
    stale: np.ndarray | None = None
    """The label that each new example's image had before, int64 (K,), in index order; None if none had another."""


@dataclass(frozen=True)
class DataUpdate(ForgetSet):
    """A request that also brings examples: D' = (D without the old ones) and the new ones.

    A kind defines `replace` alone.
    """

    corrects_labels: ClassVar[bool] = False
    """Whether an image keeps its place under another label: only then is an answer stale."""

    def replace(self, dataset: Dataset, present: np.ndarray) -> Replacement:
        """Choose the old and the new examples among the `present` ones, boolean (N,).

        Raises InvalidValue for what is not there, before anything is trained.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no replace()")

    def mask(self, dataset: Dataset) -> np.ndarray:
        """Mark the old examples: boolean (N,). Raises InvalidValue as `replace` does."""
        import numpy as np

        count = len(dataset.train)
        return self.replace(dataset, np.ones(count, bool)).old[:count]
