"""Forgetting a part of a class that has a name: a finer class, or a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.errors import InvalidValue
from tasks.forget_sets.base import ForgetSet, check_size
from tasks.forget_sets.whole_class import split_names

if TYPE_CHECKING:
    import numpy as np

    from tasks.datasets.dataset import Dataset


@dataclass(frozen=True)
class Subclass(ForgetSet):
    """NAME[+NAME]: every training example of these finer classes, on which no model is trained."""

    def mask(self, dataset: Dataset) -> np.ndarray:
        """Mark all examples of the subclasses; raises InvalidValue, listing them, for an unknown one."""
        if dataset.train.subclasses is None:
            raise InvalidValue(
                f"subclass:{self.argument}: {dataset.name} has no finer classes; valid: another forget set, "
                f"such as class:{dataset.classes[0]}"
            )
        return mark_named(self, "subclass", dataset.train.subclasses, dataset.subclasses)


@dataclass(frozen=True)
class Identity(ForgetSet):
    """PERSON[+PERSON]: every training image of these persons, who are subclasses, or else classes."""

    def mask(self, dataset: Dataset) -> np.ndarray:
        """Mark all images of the persons; raises InvalidValue, listing them, for an unknown one."""
        numbers, names = dataset.train.subclasses, dataset.subclasses
        if numbers is None:
            numbers, names = dataset.train.labels, dataset.classes
        return mark_named(self, "identity", numbers, names)


def mark_named(
    forgotten: ForgetSet, kind: str, numbers: np.ndarray, names: tuple[str, ...]
) -> np.ndarray:
    """Mark the examples whose number (N,) is the position of one of the argument's names."""
    import numpy as np

    chosen = [names.index(name) for name in split_names(kind, forgotten.argument, names)]
    mask = np.isin(numbers, chosen)
    check_size(f"{kind}:{forgotten.argument}", int(mask.sum()), len(mask))
    return mask
