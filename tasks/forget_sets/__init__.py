"""Which training examples must be forgotten: one file a kind, and one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.errors import InvalidValue
from tasks.forget_sets.base import ForgetSet
from tasks.registry import Registry

if TYPE_CHECKING:
    import numpy as np

    from tasks.datasets.dataset import Dataset

FORGET_SETS = Registry(
    "forget set",
    "orchestrator.forget_sets",
    {
        "class": "tasks.forget_sets.whole_class:WholeClass",
        "random": "tasks.forget_sets.random_share:RandomShare",
    },
)


def forget_set(spec: str, seed: int) -> ForgetSet:
    """Build what `KIND:ARGUMENT` spells; raises InvalidValue for an unknown kind or a bad argument."""
    kind, argument = FORGET_SETS.split(spec)
    cls = FORGET_SETS.resolve(kind)
    if not (isinstance(cls, type) and issubclass(cls, ForgetSet)):
        raise InvalidValue(
            f"forget set {kind!r} is not a subclass of tasks.forget_sets.base.ForgetSet"
        )
    return cls(argument, seed)


def forget_mask(dataset: Dataset, spec: str, seed: int) -> np.ndarray:
    """Mark what `KIND:ARGUMENT` forgets of the training split: boolean (N,); raises InvalidValue."""
    return forget_set(spec, seed).mask(dataset)


def forgotten_classes(dataset: Dataset, mask: np.ndarray) -> tuple[int, ...]:
    """List the classes none of whose training examples are retained."""
    gone = set(dataset.train.labels[mask].tolist()) - set(dataset.train.labels[~mask].tolist())
    return tuple(sorted(gone))
