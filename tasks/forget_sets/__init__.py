"""Which training examples must be forgotten: `KIND:ARGUMENT` gives a mask over the training split."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tasks.datasets.dataset import Dataset
from tasks.errors import InvalidValue
from tasks.registry import one_of

LEAST = 10
"""Examples of the forget set, and of the rest, below which nothing can be measured."""


def whole_class(dataset: Dataset, argument: str, seed: int) -> np.ndarray:
    """Every training example of the named class: the CS726 deck's adversarial forget set."""
    one_of("class", argument, dataset.classes)
    return dataset.train.labels == dataset.classes.index(argument)


def random_share(dataset: Dataset, argument: str, seed: int) -> np.ndarray:
    """A seeded random share of the training examples, `argument` in (0, 1)."""
    try:
        share = float(argument)
        if not 0 < share < 1:
            raise ValueError(argument)
    except ValueError:
        raise InvalidValue(f"random:{argument}: the share must be a number in (0, 1)") from None
    count = len(dataset.train)
    size = round(share * count)
    if not LEAST <= size <= count - LEAST:
        raise InvalidValue(
            f"random:{argument} would forget {size} of {count} training examples; "
            f"at least {LEAST} must be forgotten, and as many retained"
        )
    mask = np.zeros(count, bool)
    chosen = np.random.default_rng(seed).permutation(count)[:size]
    mask[chosen] = True
    return mask


FORGET_SETS: dict[str, Callable[[Dataset, str, int], np.ndarray]] = {
    "class": whole_class,
    "random": random_share,
}


def forget_mask(dataset: Dataset, spec: str, seed: int) -> np.ndarray:
    """Boolean mask (N,) over the training split for `KIND:ARGUMENT`; raises InvalidValue."""
    kind, _, argument = spec.partition(":")
    return FORGET_SETS[one_of("forget set", kind, FORGET_SETS)](dataset, argument, seed)


def forgotten_classes(dataset: Dataset, mask: np.ndarray) -> tuple[int, ...]:
    """Classes none of whose training examples are retained."""
    gone = set(dataset.train.labels[mask].tolist()) - set(dataset.train.labels[~mask].tolist())
    return tuple(sorted(gone))
