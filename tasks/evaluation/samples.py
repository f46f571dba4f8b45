"""Which examples an attacker sees: on each half of the held-out data other ones, for every model the same."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasks.errors import InvalidValue
from tasks.evaluation.outputs import Evaluation, HeldOut, Outputs
from tasks.evaluation.passes import HALVES, SEED, Pass, halve_forget_set

LEAST = 6
"""Members below which an attacker learns nothing."""


@dataclass(frozen=True, eq=False)
class Sample:
    """The examples of one half, as indices into the forget set and into that half of the held-out data."""

    forgotten: np.ndarray
    """This half's part of the forget set."""
    kin: np.ndarray
    """Held-out examples of the classes that are forgotten as a whole; of a random share none."""
    chosen: np.ndarray
    """Positions of `members` among `forgotten`."""
    members: np.ndarray
    """The largest part of `forgotten` whose class histogram the held-out data have too."""
    others: np.ndarray
    """Held-out examples with the histogram of `members`."""


def sample_of(evaluation: Evaluation, half: HeldOut) -> Sample:
    """Draw the examples that attackers see on a half, the same for every model of a task.

    Raises ValueError if the held-out half lacks a class of the forget set.
    """
    forget, held_out = evaluation.forget.labels, evaluation.held_out(half).labels
    return _sample(forget.tobytes(), held_out.tobytes(), half, evaluation.forgotten_classes)


@functools.lru_cache(maxsize=2)  # several metrics of one model read it
def read_forgotten(evaluation: Evaluation, half: HeldOut) -> Outputs:
    """Return the outputs at a half's part of the forget set, in the order of `Sample.forgotten`.

    If the forget set is passed on demand, the other half's part is not passed for it.
    """
    if isinstance(evaluation.forget, Pass):
        return evaluation.forget.pass_part(HALVES.index(half))
    return evaluation.forget.at(sample_of(evaluation, half).forgotten)


@functools.lru_cache(maxsize=8)  # the two halves of a task, again and again
def _sample(forget: bytes, held_out: bytes, half: HeldOut, forgotten: tuple[int, ...]) -> Sample:
    labels, others = (np.frombuffer(labels, np.int64) for labels in (forget, held_out))
    part = halve_forget_set(labels)[half == "test"]
    members, matched = class_matched(labels[part], others)
    kin = np.flatnonzero(np.isin(others, forgotten))
    return Sample(part, kin, members, part[members], matched)


def class_matched(labels: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Draw as many of either side as can be, class by class equally many; two vectors of indices.

    The histogram is that of `labels` (N,), up to rounding. The draw is decided by the labels alone.
    Raises ValueError if `others` lacks a class.
    """
    rng = np.random.default_rng(SEED)
    classes, counts = np.unique(labels, return_counts=True)
    available = np.array([(others == c).sum() for c in classes])
    if not available.all():
        raise ValueError("the held-out data lack a class of the forget set")
    share = float(np.min(available / counts, initial=1.0))
    wanted = np.maximum(1, np.floor(counts * share + 1e-9).astype(int))

    def drawn(side: np.ndarray) -> np.ndarray:
        of_class = (rng.permutation(np.flatnonzero(side == c)) for c in classes)
        parts = (order[:n] for order, n in zip(of_class, wanted, strict=True))
        return np.concatenate([np.empty(0, np.int64), *parts])

    return drawn(labels), drawn(others)


def check_attackable(
    forget: np.ndarray,
    held_out: np.ndarray,
    halves: tuple[np.ndarray, np.ndarray],
    names: Sequence[str],
) -> None:
    """Raise InvalidValue, before anything is trained, if no attacker could judge this forget set.

    `forget` and `held_out` are labels, `halves` the indices of the validation and the test half, `names` those
    of the classes; each half must have every class of its half of the forget set, and allow LEAST members.
    """
    parts = halve_forget_set(forget)
    sides = [(held_out[half], forget[part]) for half, part in zip(halves, parts, strict=True)]
    missing = sorted({c for others, part in sides for c in {*part.tolist()} - {*others.tolist()}})
    if missing:
        raise InvalidValue(
            f"the held-out data have too few examples of {', '.join(names[c] for c in missing)} to "
            "judge a forget set with that class: each of their halves needs one"
        )
    fewest = min(len(class_matched(part, others)[0]) for others, part in sides)
    if fewest < LEAST:
        raise InvalidValue(
            f"a forget set of {len(forget)} examples, beside {len(held_out)} held-out ones, gives its "
            f"attackers {fewest} of either to judge by; at least {LEAST} are needed"
        )
