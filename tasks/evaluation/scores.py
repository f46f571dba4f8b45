"""Scores that papers report: several numbers of a model in one. They hide trade-offs: reported, never optimised."""

from __future__ import annotations

import numpy as np

from tasks.evaluation.accuracy import share_correct
from tasks.evaluation.attacks.features import confidence
from tasks.evaluation.attacks.loss import class_matched_attack, two_sided
from tasks.evaluation.attacks.svc import efficacy
from tasks.evaluation.composite import compare_accuracy, multiply_closeness
from tasks.evaluation.metric import metric
from tasks.evaluation.outputs import Evaluation, Outputs
from tasks.evaluation.predictions import references_of
from tasks.evaluation.references import mean_of_others


@metric(half="test", best="up", on_request=True)
def nomus(evaluation: Evaluation) -> float:
    """Average the test accuracy and 1 - |2a - 1| of the class-matched loss attack's accuracy a.

    Range [0, 1]; a model that forgot nothing can have a high one. Source: Choi and Na (MUFAC), 2023.
    """
    hidden = two_sided(class_matched_attack(evaluation, "test"))
    return combine_nomus(share_correct(evaluation.test), hidden)


@metric(half="test", best="up", unit="ratio", needs="original")
def aus_random(evaluation: Evaluation) -> float | None:
    """Divide 1 - (test accuracy lost) by 1 + |accuracy on the forget set - test accuracy|: AUS, random form.

    Range [0, 2], ideal 1; above 1 where the model is more accurate than the original. Source: Cotogni et al.
    (DUCK), 2023.
    """
    if evaluation.original is None:
        return None
    before, after = (share_correct(e.test) for e in (evaluation.original(), evaluation))
    return divide_aus(before - after, share_correct(evaluation.forget) - after)


@metric(half="test", best="up", unit="ratio", needs="original", only="classes")
def aus_class(evaluation: Evaluation) -> float | None:
    """Divide 1 - (test accuracy lost) by 1 + accuracy on test images of forgotten classes: AUS, class form.

    The accuracy lost is that of retained classes. Range [0, 2], ideal 1; a changed head alone can reach it. Source:
    Cotogni et al. (DUCK), 2023.
    """
    gone = np.isin(evaluation.test.labels, evaluation.forgotten_classes)
    if evaluation.original is None or not gone.any():
        return None
    before = float(evaluation.original().test.correct[~gone].mean())
    correct = evaluation.test.correct
    return divide_aus(before - float(correct[~gone].mean()), float(correct[gone].mean()))


@metric(half="test", best="up", needs="references", on_request=True)
def tow_mia(evaluation: Evaluation) -> float | None:
    """Multiply 1 - |difference from the references' mean| of svc_mia_confidence and of the accuracies on the
    retain sample and on test examples of retained classes; ideal 1.

    Range [0, 1]. Source: Zhao et al., 2024.
    """
    references = references_of(evaluation)
    if references is None:
        return None
    kept = ~np.isin(evaluation.test.labels, evaluation.unretained_classes)
    attacked = np.array([efficacy(each, confidence) for each in _as_evaluations(evaluation)])
    differences = [efficacy(evaluation, confidence) - mean_of_others(attacked)]
    differences.append(compare_accuracy(evaluation.retain, references.retain))
    differences.append(compare_accuracy(evaluation.test, references.test, kept))
    return evaluation.mean_over_references(multiply_closeness(differences))


def combine_nomus(accuracy: float, hidden: float, weight: float = 0.5) -> float:
    """Compute λ A + (1 − λ) h of an accuracy A and an indistinguishability h."""
    return weight * accuracy + (1 - weight) * hidden


def divide_aus(lost: float, left: float) -> float:
    """Compute (1 − accuracy lost) / (1 + |accuracy left on what is forgotten|)."""
    return (1 - lost) / (1 + abs(left))


def _as_evaluations(evaluation: Evaluation) -> list[Evaluation]:
    """Make the evaluation of each reference, as of a model of its own."""
    references, found = evaluation.references, []
    assert references is not None
    for number in range(len(references)):
        retain, forget, validation, test = (
            Outputs(getattr(references, name)[number], getattr(evaluation, name).labels)
            for name in ("retain", "forget", "validation", "test")
        )
        gone = evaluation.forgotten_classes
        found.append(Evaluation(retain, forget, validation, test, gone))
    return found
