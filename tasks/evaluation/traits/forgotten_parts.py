"""Accuracy on held-out images of what is forgotten below the level of classes: subclasses, or persons.

Null in tasks whose forget set names none. Ideal is the references' value, which need not be 0.
"""

from __future__ import annotations

import numpy as np

from tasks.evaluation.metric import metric
from tasks.evaluation.outputs import Evaluation, Outputs


@metric(half="test", best="references", only="parts")
def test_accuracy_forgotten_part(evaluation: Evaluation) -> float | None:
    """Measure the share of test images of the forgotten subclasses or persons that are classified rightly;
    a retrained model may know them by the rest of their class.
    """
    return _accuracy_of_part(evaluation.forget, evaluation.test)


@metric(half="validation", best="references", only="parts")
def validation_accuracy_forgotten_part(evaluation: Evaluation) -> float | None:
    """Measure test_accuracy_forgotten_part on the validation half."""
    return _accuracy_of_part(evaluation.forget, evaluation.validation)


def _accuracy_of_part(forget: Outputs, held_out: Outputs) -> float | None:
    if forget.kin is None or held_out.kin is None:
        return None
    concerned = np.isin(held_out.kin, forget.kin)
    return float(held_out.correct[concerned].mean()) if concerned.any() else None
