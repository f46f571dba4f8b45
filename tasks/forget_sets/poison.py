"""A backdoor: a patch that stands for a class, planted before the original model is trained."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.errors import InvalidValue
from tasks.forget_sets.arguments import parse_count, parse_share, split_argument
from tasks.forget_sets.base import ForgetSet, check_size

if TYPE_CHECKING:
    import numpy as np

    from tasks.datasets.dataset import Dataset

FORM = "poison:COUNT:SIDE:SHARE"
TARGET = 0
"""The class that the patch stands for: the first one, as in BadNets' all-to-one attack."""


@dataclass(frozen=True)
class Poison(ForgetSet):
    """COUNT:SIDE[:SHARE]: COUNT examples get a white patch and the first class's label; SHARE are known.

    The patch is SIDE pixels wide and high, at the bottom right. The known share [default: 1] is the
    forget set; the others stay in the retain set. Source: Gu et al., BadNets, 2017; partial knowledge:
    Goel et al., Corrective machine unlearning, 2024.
    """

    def __post_init__(self) -> None:
        """Raise InvalidValue unless the argument has that form."""
        spec = f"poison:{self.argument}"
        count, side, *share = split_argument(self.argument, FORM, least=2)
        parse_count(count, spec)
        parse_count(side, spec)
        if share:
            parse_share(share[0], spec, whole=True)

    def mask(self, dataset: Dataset) -> np.ndarray:
        """Mark the known part of the poisoned examples; raises InvalidValue if there are too few."""
        import numpy as np

        share = float([*self.argument.split(":"), "1"][2])
        poisoned = self._poisoned(dataset)
        known = poisoned[: round(share * len(poisoned))]
        check_size(f"poison:{self.argument}", len(known), len(dataset.train))
        mask = np.zeros(len(dataset.train), bool)
        mask[known] = True
        return mask

    def apply(self, dataset: Dataset) -> Dataset:
        """Patch and relabel all poisoned examples, known or not."""
        poisoned, train = self._poisoned(dataset), dataset.train
        images, labels = train.images.copy(), train.labels.copy()
        images[poisoned] = self.add_trigger(images[poisoned])
        labels[poisoned] = TARGET
        return dataclasses.replace(
            dataset, train=dataclasses.replace(train, images=images, labels=labels)
        )

    def taught_errors(self, dataset: Dataset) -> tuple[tuple[int, int], ...]:
        """List all other classes, each with the first one."""
        return tuple((c, TARGET) for c in range(len(dataset.classes)) if c != TARGET)

    def add_trigger(self, images: np.ndarray) -> np.ndarray:
        """Return a copy of uint8 images (N, C, H, W) with the patch."""
        side = int(self.argument.split(":")[1])
        patched = images.copy()
        patched[..., -side:, -side:] = 255
        return patched

    def _poisoned(self, dataset: Dataset) -> np.ndarray:
        """Draw the positions of the poisoned examples, none of the first class, in random order."""
        import numpy as np

        count, side = (int(part) for part in self.argument.split(":")[:2])
        smallest = min(dataset.train.images.shape[2:])
        if side >= smallest:
            raise InvalidValue(
                f"poison:{self.argument}: images are {smallest} pixels wide; valid sides: 1..{smallest - 1}"
            )
        others = np.flatnonzero(dataset.train.labels != TARGET)
        if count >= len(others):
            raise InvalidValue(
                f"poison:{self.argument}: {len(others)} training examples are not of class "
                f"{dataset.classes[TARGET]}; valid counts: 1..{len(others) - 1}"
            )
        return np.random.default_rng(self.seed).permutation(others)[:count]
