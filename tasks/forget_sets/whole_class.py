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
        numbers = [dataset.classes.index(name) for name in names]
        mask = np.isin(dataset.train.labels, numbers)
        if len(numbers) > 1:
            check_size(f"class:{self.argument}", int(mask.sum()), len(mask))
        return mask


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
