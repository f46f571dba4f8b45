"""Errors that a forget set taught the original model: mixed-up classes, and a backdoor.

Null in tasks whose forget set leaves labels and images alone. Ideal is the references' value: they saw
neither the wrong labels nor the trigger, and err by chance.
"""

from __future__ import annotations

import numpy as np

from tasks.evaluation.metric import metric
from tasks.evaluation.outputs import Evaluation, HeldOut, Outputs
from tasks.forget_sets.traits import is_confusion


@metric(half="test", best="references", only="errors")
def targeted_error(evaluation: Evaluation) -> float | None:
    """Measure the share of clean test images that get the class which the forget set's wrong labels teach
    for theirs; null where they teach none.
    """
    return _share_deceived(evaluation, "test")


@metric(half="validation", best="references", only="errors")
def validation_targeted_error(evaluation: Evaluation) -> float | None:
    """Measure targeted_error on the validation half."""
    return _share_deceived(evaluation, "validation")


@metric(half="test", best="references", unit="sum of shares", only="confusion")
def interclass_error(evaluation: Evaluation) -> float | None:
    """Measure the error on clean test images of two classes that are mixed up, added over both (IC-ERR);
    null for any other forget set.
    """
    pairs = evaluation.taught_errors
    if not is_confusion(pairs):
        return None
    test = evaluation.test
    return float(sum(1 - test.correct[test.labels == true].mean() for true, _ in pairs))


@metric(half="none", best="references", only="errors")
def forget_targeted_error(evaluation: Evaluation) -> float | None:
    """Measure the share of the forgotten examples with wrong labels that still get them (FGT-ERR);
    null where labels are right.
    """
    wrong = evaluation.mislabelled
    if wrong is None or not wrong.any():
        return None
    return float(evaluation.forget.correct[wrong].mean())


@metric(half="test", best="references", only="trigger")
def attack_success(evaluation: Evaluation) -> float | None:
    """Measure the share of test images of other classes that get the backdoor's class once they have the
    trigger (ASR); null without a backdoor.
    """
    return _attack_success(evaluation, "test")


@metric(half="validation", best="references", only="trigger")
def validation_attack_success(evaluation: Evaluation) -> float | None:
    """Measure attack_success on the validation half."""
    return _attack_success(evaluation, "validation")


def _attack_success(evaluation: Evaluation, half: HeldOut) -> float | None:
    triggered = evaluation.held_out(half).triggered
    return None if triggered is None else measure_deceived(triggered, evaluation.taught_errors)


def _share_deceived(evaluation: Evaluation, half: HeldOut) -> float | None:
    errors = evaluation.taught_errors
    return measure_deceived(evaluation.held_out(half), errors) if errors else None


def measure_deceived(seen: Outputs, errors: tuple[tuple[int, int], ...]) -> float:
    """Return the share of images of the true classes in `errors` that get the class given there instead."""
    given = dict(errors)
    predicted = seen.logits.argmax(1)
    concerned = np.isin(seen.labels, list(given))
    wanted = np.array([given.get(label, -1) for label in seen.labels.tolist()])
    return float((predicted == wanted)[concerned].mean())
