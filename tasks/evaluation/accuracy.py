"""Shares of correct predictions, as fractions in [0, 1]."""

from __future__ import annotations

import numpy as np

from tasks.evaluation.outputs import Evaluation, Outputs


def validation_accuracy(evaluation: Evaluation) -> float:
    """On the validation half of the held-out data, all classes."""
    return float(evaluation.validation.correct.mean())


def validation_accuracy_retained(evaluation: Evaluation) -> float:
    """On the validation half, classes that the retain set still has."""
    return _on_classes(evaluation.validation, evaluation.forgotten_classes, inside=False)


def test_accuracy(evaluation: Evaluation) -> float:
    """On the test half of the held-out data, all classes (TA)."""
    return float(evaluation.test.correct.mean())


def test_accuracy_retained(evaluation: Evaluation) -> float:
    """On the test half, classes that the retain set still has (TRA)."""
    return _on_classes(evaluation.test, evaluation.forgotten_classes, inside=False)


def test_accuracy_forgotten(evaluation: Evaluation) -> float | None:
    """On the test half, forgotten classes (TFA); None where no class is forgotten as a whole."""
    if not evaluation.forgotten_classes:
        return None
    return _on_classes(evaluation.test, evaluation.forgotten_classes, inside=True)


def retain_accuracy(evaluation: Evaluation) -> float:
    """On (a fixed sample of) the retain set (RA)."""
    return float(evaluation.retain.correct.mean())


def forget_accuracy(evaluation: Evaluation) -> float:
    """On the forget set; unlearning accuracy (UA) is one minus this."""
    return float(evaluation.forget.correct.mean())


def _on_classes(outputs: Outputs, classes: tuple[int, ...], *, inside: bool) -> float:
    chosen = np.isin(outputs.labels, classes) == inside
    return float(outputs.correct[chosen].mean())
