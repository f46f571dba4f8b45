"""Forgetting a part of a class that has a name: a finer class, or a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tasks.errors import InvalidValue
from tasks.forget_sets.base import ForgetSet, check_size
from tasks.forget_sets.whole_class import split_names

if TYPE_CHECKING:
    import numpy as np

    from tasks.datasets.dataset import Dataset, LabelledImages


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

    def kin_labels(self, part: LabelledImages) -> np.ndarray | None:
        """Return the subclass (N,) of each image of a split."""
        return part.subclasses


@dataclass(frozen=True)
class Identity(ForgetSet):
    """PERSON[+PERSON]: every training image of these persons, who are subclasses, or else classes."""

    of_persons: ClassVar[bool] = True

    def mask(self, dataset: Dataset) -> np.ndarray:
        """Mark all images of the persons; raises InvalidValue, listing them, for an unknown one."""
        names = dataset.classes if dataset.train.subclasses is None else dataset.subclasses
        return mark_named(self, "identity", self.kin_labels(dataset.train), names)

    def kin_labels(self, part: LabelledImages) -> np.ndarray:
        """Return the person (N,) of each image of a split."""
        return part.labels if part.subclasses is None else part.subclasses


def mark_named(
    forgotten: ForgetSet, kind: str, numbers: np.ndarray, names: tuple[str, ...]
) -> np.ndarray:
    """Mark the examples whose number (N,) is the position of one of the argument's names."""
    import numpy as np

    chosen = [names.index(name) for name in split_names(kind, forgotten.argument, names)]
    mask = np.isin(numbers, chosen)
    check_size(f"{kind}:{forgotten.argument}", int(mask.sum()), len(mask))
    return mask
