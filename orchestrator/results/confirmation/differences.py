"""Many differences at once: which of them stay different from 0 when their number is counted."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from orchestrator.results.confirmation.repeats import LEVEL, Confirmation, Repeated
from orchestrator.results.noise import FEWEST
from orchestrator.results.sweep_rows import ORIGINAL, RETRAINED

COMPARED = (ORIGINAL, RETRAINED)
"""The models with which each point is compared."""
Difference = tuple[str, int, str]
"""The trial and the epoch of a model, and with which of COMPARED it was compared."""


def name_difference(model: Repeated, role: str) -> Difference:
    """Return the name of the difference of a model to one of COMPARED; between these two there is one alone."""
    trial = str(model.searched["trial_id"])
    if trial in COMPARED:
        return ORIGINAL, 0, RETRAINED
    return trial, int(model.searched["epoch"]), role


def list_p_values(found: Confirmation, column: str) -> dict[Difference, float]:
    """Return the p-value of each difference in a column that has an interval: a paired t-test over the seeds."""
    values = {}
    for model in (*found.baselines.values(), *found.points):
        for role in COMPARED:
            other = found.baselines.get(role)
            if other is None or other is model:
                continue
            difference = model.compare_with(other, column)
            if difference is None or difference.n < FEWEST:
                continue
            if (p_value := difference.p_value()) is not None:
                values[name_difference(model, role)] = p_value
    return values


def find_significant(p_values: dict[Difference, float]) -> Collection[Difference]:
    """Return the differences that are different from 0 by Holm's correction.

    The probability that it names any difference that is truly 0 is below 1 - LEVEL, whatever the dependence, if each
    p-value is right: over seeds, differences are normal.
    """
    corrected = correct_by_holm(list(p_values.values()))
    pairs = zip(p_values, corrected, strict=True)
    return {difference for difference, p_value in pairs if p_value < 1 - LEVEL}


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
