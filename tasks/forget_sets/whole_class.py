"""Forgetting one class or several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.errors import InvalidValue
from tasks.forget_sets.base import ForgetSet, check_size
from tasks.registry import one_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from tasks.datasets.dataset import Dataset


@dataclass(frozen=True)
class WholeClass(ForgetSet):
    """NAME[+NAME]: every training example of one or more classes, as the CS726 deck's automobiles."""

    def mask(self, dataset: Dataset) -> np.ndarray:
        """Mark all examples of the classes; raises InvalidValue, listing the classes, for an unknown one."""
        import numpy as np

        names = split_names("class", self.argument, dataset.classes)
        present = np.ones(len(dataset.train), bool)
        numbers = [find_class(name, dataset, present) for name in names]
        mask = np.isin(dataset.train.labels, numbers)
        if len(numbers) > 1:
            check_size(f"class:{self.argument}", int(mask.sum()), len(mask))
        return mask


def find_class(name: str, dataset: Dataset, present: np.ndarray) -> int:
    """Give the number of a class; raises InvalidValue for one without a `present` training example, boolean (N,)."""
    import numpy as np

    number = dataset.classes.index(one_of("class", name, dataset.classes))
    left = np.unique(dataset.train.labels[present])
    if number not in left:
        valid = ", ".join(dataset.classes[n] for n in left)
        raise InvalidValue(f"no training example of class {name!r} is there; valid: {valid}")
    return number


def split_names(kind: str, argument: str, valid: Sequence[str]) -> list[str]:
    """Split NAME+NAME; a name may itself hold a plus sign.

    Raises InvalidValue for an unknown name, listing the valid ones, and for a name given twice.
    """
    names = [argument] if argument in valid else argument.split("+")
    for name in names:
        one_of(kind, name, valid)
    if len(set(names)) < len(names):
        raise InvalidValue(f"{kind} {argument!r} names one twice")
    return names
