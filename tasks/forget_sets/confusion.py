"""Interclass confusion: two classes are mixed up before the original model is trained (Goel et al., 2022)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.errors import InvalidValue
from tasks.forget_sets.arguments import parse_count, split_argument
from tasks.forget_sets.base import ForgetSet, check_size
from tasks.registry import one_of

if TYPE_CHECKING:
    import numpy as np

    from tasks.datasets.dataset import Dataset

FORM = "confusion:NAME:NAME:COUNT"


@dataclass(frozen=True)
class Confusion(ForgetSet):
    """NAME:NAME:COUNT: so many examples of each of two classes, labelled as the other before training.

    Source: Goel et al., Towards adversarial evaluation of inexact machine unlearning, 2022.
    """

    def __post_init__(self) -> None:
        """Raise InvalidValue unless the argument has that form."""
        first, second, count = split_argument(self.argument, FORM)
        parse_count(count, f"confusion:{self.argument}")
        if first == second:
            raise InvalidValue(f"confusion:{self.argument}: the two classes must differ")

    def mask(self, dataset: Dataset) -> np.ndarray:
        """Mark the examples with wrong labels; raises InvalidValue for an unknown class or too few examples."""
        import numpy as np

        pair, size = self._pair(dataset), int(self.argument.rpartition(":")[2])
        check_size(f"confusion:{self.argument}", 2 * size, len(dataset.train))
        rng, mask = np.random.default_rng(self.seed), np.zeros(len(dataset.train), bool)
        for number in pair:
            members = np.flatnonzero(dataset.train.labels == number)
            if size >= len(members):
                raise InvalidValue(
                    f"confusion:{self.argument}: class {dataset.classes[number]} has {len(members)} training "
                    f"examples; valid: 1..{len(members) - 1}"
                )
            mask[rng.permutation(members)[:size]] = True
        return mask

    def apply(self, dataset: Dataset) -> Dataset:
        """Give the marked examples the other class's label."""
        import numpy as np

        first, second = self._pair(dataset)
        labels = dataset.train.labels
        swapped = np.where(self.mask(dataset), first + second - labels, labels)
        return dataclasses.replace(
            dataset, train=dataclasses.replace(dataset.train, labels=swapped)
        )

    def taught_errors(self, dataset: Dataset) -> tuple[tuple[int, int], ...]:
        """List both directions of the confusion."""
        first, second = self._pair(dataset)
        return (first, second), (second, first)

    def _pair(self, dataset: Dataset) -> tuple[int, int]:
        names = split_argument(self.argument, FORM)[:2]
        first, second = (dataset.classes.index(one_of("class", n, dataset.classes)) for n in names)
        return first, second
