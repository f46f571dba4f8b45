"""Updates of the data: whether the new examples are answered as they ought to be, or still as the old ones.

Null in tasks that bring no new examples. Ideal is the references' value: they learned the new examples alone.
"""

from __future__ import annotations

from tasks.evaluation.accuracy import share_correct
from tasks.evaluation.metric import metric
from tasks.evaluation.outputs import Evaluation


@metric(half="none", best="references", only="update")
def learned_accuracy(evaluation: Evaluation) -> float | None:
    """Measure the accuracy on the new examples of an update; null where the request brings none."""
    return None if evaluation.learned is None else share_correct(evaluation.learned)


@metric(half="none", best="references", only="relabelling")
def stale_answers(evaluation: Evaluation) -> float | None:
    """Measure the share of an update's new examples that still get their old label; null where no label changes."""
    learned, stale = evaluation.learned, evaluation.stale_labels
    if learned is None or stale is None:
        return None
    corrected = stale >= 0
    return float((learned.logits.argmax(1) == stale)[corrected].mean())
