"""New images of a class in place of the old ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.forget_sets.base import check_size
from tasks.forget_sets.updates.base import DataUpdate, Replacement
from tasks.forget_sets.whole_class import find_class

if TYPE_CHECKING:
    import numpy as np

    from tasks.datasets.dataset import Dataset


@dataclass(frozen=True)
class Replace(DataUpdate):
    """CLASS: a random half of its examples is held back from training; it then replaces the other half."""

    def replace(self, dataset: Dataset, present: np.ndarray) -> Replacement:
        """Cut the present examples of the class into old and new ones; raises InvalidValue, listing the classes."""
        import numpy as np

        number = find_class(self.argument, dataset, present)
        members = np.flatnonzero(present & (dataset.train.labels == number))
        drawn = np.random.default_rng(self.seed).permutation(members)
        old, new = np.zeros(len(present), bool), np.zeros(len(present), bool)
        old[drawn[: len(drawn) // 2]], new[drawn[len(drawn) // 2 :]] = True, True
        check_size(f"replace:{self.argument}", int(old.sum()), int(present.sum()))
        return Replacement(dataset, old, new)
