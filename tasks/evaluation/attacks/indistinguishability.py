"""Like a model that never saw the data: what the strongest of the attackers leaves of it."""

from __future__ import annotations

from collections.abc import Callable

from tasks.evaluation.attacks.advantages import Advantages
from tasks.evaluation.attacks.identity import identity
from tasks.evaluation.attacks.membership import membership
from tasks.evaluation.metric import metric
from tasks.evaluation.outputs import Evaluation, HeldOut

ATTACKERS: tuple[Callable[[Evaluation, HeldOut], Advantages | None], ...] = (membership, identity)
"""A stronger one is one more function here: it lowers the minimum."""


@metric(half="test", best="up", needs="references", headline="indistin-\nguishability")
def indistinguishability(evaluation: Evaluation) -> float | None:
    """Measure how like a model that never saw the data it is: the least, over attackers, of
    (1 - advantage) / (1 - advantage over the references); ideal 1.
    """
    return weakest(evaluation, "test")


@metric(half="validation", best="up", needs="references")
def validation_indistinguishability(evaluation: Evaluation) -> float | None:
    """Measure indistinguishability on the validation half: steers the search; ideal 1."""
    return weakest(evaluation, "validation")


def weakest(evaluation: Evaluation, half: HeldOut) -> float | None:
    """Give the least indistinguishability over the attackers; None without references."""
    advantages = [attack(evaluation, half) for attack in ATTACKERS]
    return min((a.indistinguishability for a in advantages if a is not None), default=None)
