"""Which training examples must be forgotten: one file a kind, and one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.errors import InvalidValue
from tasks.forget_sets.base import LEAST, ForgetSet, apply_forget_set
from tasks.forget_sets.scored.base import ScoredForgetSet
from tasks.forget_sets.traits import Trait, list_traits
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
        "class-share": "tasks.forget_sets.class_share:ClassShare",
        "subclass": "tasks.forget_sets.subclass:Subclass",
        "identity": "tasks.forget_sets.subclass:Identity",
        "index": "tasks.forget_sets.index_file:IndexFile",
        "scores": "tasks.forget_sets.given_scores:GivenScores",
        "confusion": "tasks.forget_sets.confusion:Confusion",
        "poison": "tasks.forget_sets.poison:Poison",
        "relabel": "tasks.forget_sets.updates.relabel:Relabel",
        "replace": "tasks.forget_sets.updates.replace:Replace",
        "cluster": "tasks.forget_sets.scored.cluster:Cluster",
        "proxy": "tasks.forget_sets.scored.proxy:Proxy",
        "memorised": "tasks.forget_sets.scored.memorised:Memorised",
        "el2n": "tasks.forget_sets.scored.el2n:EL2N",
        "loss": "tasks.forget_sets.scored.loss:Loss",
        "boundary": "tasks.forget_sets.scored.boundary:Boundary",
        "entangled": "tasks.forget_sets.scored.entangled:Entangled",
        "worst": "tasks.forget_sets.scored.worst_case:WorstCase",
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


def traits_of(dataset: Dataset, spec: str, seed: int) -> set[Trait]:
    """List the traits of `KIND:ARGUMENT`, before any model is trained."""
    forgotten = forget_set(spec, seed)
    found = list_traits(forgotten, dataset)
    if not isinstance(forgotten, ScoredForgetSet):
        changed = apply_forget_set(forgotten, dataset)
        found |= {"classes"} if forgotten_classes(changed, forgotten.mask(dataset)) else set()
    return found


def forgotten_classes(
    dataset: Dataset, mask: np.ndarray, retain: np.ndarray | None = None
) -> tuple[int, ...]:
    """List the classes of the marked training examples, boolean (N,), of which no example is retained.

    `retain` are those that are [default: all others].
    """
    labels, kept = dataset.train.labels, ~mask if retain is None else retain
    gone = set(labels[mask].tolist()) - set(labels[kept].tolist())
    return tuple(sorted(gone))


def check_mask(
    mask: np.ndarray, dataset: Dataset, task: str, retain: np.ndarray | None = None
) -> None:
    """Raise InvalidValue, before anything is trained, for a forget set that leaves nothing to measure.

    At least LEAST examples must be forgotten and as many retained, and the held-out data must have as many of
    retained classes. `dataset` is as the forget set changed it. For `retain` see `forgotten_classes`.
    """
    import numpy as np

    count = len(dataset.train)
    if mask.shape != (count,) or mask.dtype != bool:
        raise InvalidValue(f"{task}: its mask is no boolean array of {count} training examples")
    kept_ones = ~mask if retain is None else retain
    forgotten, left = int(mask.sum()), int(kept_ones.sum())
    if min(forgotten, left) < LEAST:
        raise InvalidValue(
            f"{task} would forget {forgotten} of {forgotten + left} training examples; at least {LEAST} must be "
            "forgotten, and as many retained"
        )
    kept = np.unique(dataset.train.labels[kept_ones])
    held_out = int(np.isin(dataset.held_out.labels, kept).sum())
    if held_out < LEAST:
        raise InvalidValue(
            f"{task}: the held-out data have {held_out} examples of the classes that are retained; at least "
            f"{LEAST} are needed"
        )
