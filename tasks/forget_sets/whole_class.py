"""Forgetting a class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.forget_sets.base import ForgetSet
from tasks.registry import one_of

if TYPE_CHECKING:
    import numpy as np

    from tasks.datasets.dataset import Dataset


@dataclass(frozen=True)
class WholeClass(ForgetSet):
    """NAME: every training example of the class NAME, the CS726 deck's adversarial forget set."""

    def mask(self, dataset: Dataset) -> np.ndarray:
        """Mark all examples of the class; raises InvalidValue, listing the classes, for an unknown one."""
        one_of("class", self.argument, dataset.classes)
        return dataset.train.labels == dataset.classes.index(self.argument)
