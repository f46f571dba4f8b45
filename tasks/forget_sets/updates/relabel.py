"""Wrong labels that are corrected: the old labels must be forgotten, the right ones learned."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tasks.datasets.dataset import LabelledImages
from tasks.errors import InvalidValue
from tasks.forget_sets.arguments import parse_share
from tasks.forget_sets.base import check_size
from tasks.forget_sets.updates.base import DataUpdate, Replacement

if TYPE_CHECKING:
    import numpy as np

    from tasks.datasets.dataset import Dataset


@dataclass(frozen=True)
class Relabel(DataUpdate):
    """SHARE: a random share, in (0, 1), has wrong labels before training; the request corrects them.

    Each wrong label is drawn from the other classes that are present (symmetric noise). The corrected examples
    follow the others in the changed data: an image occurs twice there, and never twice in one training.
    """

    corrects_labels: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Raise InvalidValue unless the argument is a share."""
        parse_share(self.argument, f"relabel:{self.argument}")

    def replace(self, dataset: Dataset, present: np.ndarray) -> Replacement:
        """Give a share of the present examples wrong labels, and append them with the right ones."""
        import numpy as np

        spec, rng = f"relabel:{self.argument}", np.random.default_rng(self.seed)
        candidates = np.flatnonzero(present)
        size = round(float(self.argument) * len(candidates))
        check_size(spec, size, len(candidates))
        chosen = np.sort(rng.permutation(candidates)[:size])
        train, right = dataset.train, dataset.train.labels[chosen]
        wrong = draw_others(right, np.unique(train.labels[present]), rng, spec)
        labels = train.labels.copy()
        labels[chosen] = wrong
        finer = train.subclasses
        corrected = LabelledImages(
            np.concatenate([train.images, train.images[chosen]]),
            np.concatenate([labels, right]),
            None if finer is None else np.concatenate([finer, finer[chosen]]),
        )
        old, new = np.zeros(len(corrected), bool), np.zeros(len(corrected), bool)
        old[chosen], new[len(train) :] = True, True
        return Replacement(dataclasses.replace(dataset, train=corrected), old, new, wrong)


def draw_others(
    labels: np.ndarray, classes: np.ndarray, rng: np.random.Generator, spec: str
) -> np.ndarray:
    """Draw for each label (K,) another one of `classes`, which hold it; raises InvalidValue for a single class."""
    import numpy as np

    if len(classes) < 2:
        raise InvalidValue(f"{spec}: a wrong label needs a second class, and one alone is retained")
    place = np.searchsorted(classes, labels)
    step = rng.integers(1, len(classes), size=len(labels))
    return classes[(place + step) % len(classes)]
