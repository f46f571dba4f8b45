"""Which training examples must be forgotten: one file a kind, and one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.errors import InvalidValue
from tasks.forget_sets.base import LEAST, ForgetSet
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


def check_mask(mask: np.ndarray, dataset: Dataset, task: str) -> None:
    """Raise InvalidValue, before anything is trained, for a forget set that leaves nothing to measure.

    At least LEAST examples must be forgotten and as many retained, and the held-out data must have as many of
    retained classes. `dataset` is as the forget set changed it.
    """
    import numpy as np

    count = len(dataset.train)
    if mask.shape != (count,) or mask.dtype != bool:
        raise InvalidValue(f"{task}: its mask is no boolean array of {count} training examples")
    forgotten = int(mask.sum())
    if not LEAST <= forgotten <= count - LEAST:
        raise InvalidValue(
            f"{task} would forget {forgotten} of {count} training examples; at least {LEAST} must be forgotten, "
            "and as many retained"
        )
    kept = np.unique(dataset.train.labels[~mask])
    held_out = int(np.isin(dataset.held_out.labels, kept).sum())
    if held_out < LEAST:
        raise InvalidValue(
            f"{task}: the held-out data have {held_out} examples of the classes that are retained; at least "
            f"{LEAST} are needed"
        )
