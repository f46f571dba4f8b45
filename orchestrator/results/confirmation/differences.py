"""Many differences at once: which of them stay different from 0 when their number is counted."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from orchestrator.results.confirmation.repeats import LEVEL, Confirmation, Repeated
from orchestrator.results.noise import FEWEST
from orchestrator.results.sweep_rows import ORIGINAL, RETRAINED

COMPARED = (ORIGINAL, RETRAINED)
"""The models with which each point is compared."""
Place = tuple[str, int, str]
"""A difference: the trial and the epoch of the model, and with which of COMPARED it was compared."""


def place_difference(model: Repeated, role: str) -> Place:
    """Return how the difference of a model to one of COMPARED is identified."""
    return str(model.searched["trial_id"]), int(model.searched["epoch"]), role


def weigh_differences(found: Confirmation, column: str) -> dict[Place, float]:
    """Return the p-value of each difference in a column that has an interval: a paired t-test over the seeds."""
    values = {}
    for model in (*found.baselines.values(), *found.points):
        for role in COMPARED:
            other = found.baselines.get(role)
            if other is None or other is model:
                continue
            difference = model.compare_with(other, column)
            if difference and difference.n >= FEWEST:
                p_value = difference.test_zero()
                assert p_value is not None
                values[place_difference(model, role)] = p_value
    return values


def find_remaining(p_values: dict[Place, float]) -> Collection[Place]:
    """Return the differences that stay different from 0 by Holm's correction.

    The probability that it names any difference that is truly 0 is at most 1 - LEVEL, whatever the dependence.
    """
    corrected = correct_by_holm(list(p_values.values()))
    pairs = zip(p_values, corrected, strict=True)
    return {place for place, p_value in pairs if p_value <= 1 - LEVEL + 1e-12}


def correct_by_holm(p_values: Sequence[float]) -> list[float]:
    """Return the adjusted p-values of Holm's step-down rule (Holm, 1979), in the order given.

    With the values sorted p(1) <= … <= p(m), the adjusted k-th is max over j <= k of min(1, (m - j + 1) p(j)).
    """
    corrected, highest = [0.0] * len(p_values), 0.0
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    for done, place in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - done) * p_values[place]))
        corrected[place] = highest
    return corrected
