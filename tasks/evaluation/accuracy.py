"""Shares of correct predictions, as fractions in [0, 1]."""

from __future__ import annotations

import numpy as np

from tasks.evaluation.metric import metric
from tasks.evaluation.outputs import Evaluation, HeldOut, Outputs


@metric(half="validation", best="up")
def validation_accuracy(evaluation: Evaluation) -> float:
    """Measure the accuracy on the validation half, all classes."""
    return share_correct(evaluation.validation)


@metric(half="validation", best="up")
def validation_accuracy_retained(evaluation: Evaluation) -> float:
    """Measure the accuracy on the validation half, retained classes: steers the search."""
    return _on_retained_classes(evaluation, "validation")


@metric(half="test", best="up")
def test_accuracy(evaluation: Evaluation) -> float:
    """Measure the accuracy on the test half, all classes (TA)."""
    return share_correct(evaluation.test)


@metric(half="test", best="up", headline="test acc.\nretained")
def test_accuracy_retained(evaluation: Evaluation) -> float:
    """Measure the accuracy on the test half, retained classes (TRA)."""
    return _on_retained_classes(evaluation, "test")


@metric(half="test", best="references", headline="test acc.\nforgotten", only="classes")
def test_accuracy_forgotten(evaluation: Evaluation) -> float | None:
    """Measure the accuracy on the test half, forgotten classes (TFA); null where there is no such image."""
    test = evaluation.test
    concerned = np.isin(test.labels, evaluation.forgotten_classes)
    return float(test.correct[concerned].mean()) if concerned.any() else None


@metric(half="test", best="up")
def test_accuracy_worst_class(evaluation: Evaluation) -> float:
    """Measure the accuracy on the test half, least of the retained classes; chance makes it low."""
    test = evaluation.test
    retained = set(np.unique(test.labels).tolist()) - set(evaluation.unretained_classes)
    return min(float(test.correct[test.labels == c].mean()) for c in retained)


@metric(half="none", best="up")
def retain_accuracy(evaluation: Evaluation) -> float:
    """Measure the accuracy on a fixed sample of up to 5,000 of the retain set (RA)."""
    return share_correct(evaluation.retain)


@metric(half="none", best="references")
def forget_accuracy(evaluation: Evaluation) -> float:
    """Measure the accuracy on the forget set; unlearning accuracy (UA) is one minus this."""
    return share_correct(evaluation.forget)


def share_correct(outputs: Outputs) -> float:
    """Give the share of correct predictions of one split."""
    return float(outputs.correct.mean())


def _on_retained_classes(evaluation: Evaluation, half: HeldOut) -> float:
    seen = evaluation.held_out(half)
    gone = np.isin(seen.labels, evaluation.unretained_classes)
    return float(seen.correct[~gone].mean())
