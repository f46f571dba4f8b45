"""Several numbers in one: a score of closeness, and which way a model misses the references."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tasks.evaluation.accuracy import share_correct
from tasks.evaluation.attacks.membership import calibrated_areas
from tasks.evaluation.distances import divergence, forget_divergence_floor
from tasks.evaluation.metric import metric
from tasks.evaluation.outputs import Evaluation, Outputs
from tasks.evaluation.predictions import references_of
from tasks.evaluation.references import mean_of_others
from tasks.evaluation.samples import sample_of
from tasks.evaluation.statistics import auc_error

Chosen = np.ndarray | slice
"""Examples: a mask, indices, or all."""
DEVIATIONS = 2.0
"""Beyond so many of the references' standard deviations a model is said to miss them."""


@metric(half="test", best="up", needs="references")
def tow(evaluation: Evaluation) -> float | None:
    """Multiply 1 - |difference from the references' mean| of the accuracies on the forget set, the retain
    sample, and test examples of retained classes (tug of war; Zhao et al. 2024); ideal 1.
    """
    references = references_of(evaluation)
    if references is None:
        return None
    kept = ~np.isin(evaluation.test.labels, evaluation.unretained_classes)
    differences = [
        compare_accuracy(evaluation.forget, references.forget),
        compare_accuracy(evaluation.retain, references.retain),
        compare_accuracy(evaluation.test, references.test, kept),
    ]
    return evaluation.mean_over_references(multiply_closeness(differences))


def multiply_closeness(differences: Sequence[np.ndarray]) -> np.ndarray:
    """Compute Π (1 − |Δ|) of several vectors (K,) of differences. Source: Zhao et al. (ToW), 2024."""
    return np.prod([1 - np.abs(difference) for difference in differences], axis=0)


def compare_accuracy(own: Outputs, theirs: np.ndarray, chosen: Chosen = slice(None)) -> np.ndarray:
    """Subtract each mean accuracy of K − 1 references from a model's: (K,), of logits (K, N, classes)."""
    means = mean_of_others(accuracies(theirs, own.labels, chosen))
    return float(own.correct[chosen].mean()) - means


@metric(half="test", best=0.0, unit="flag", needs="references")
def over_unlearned(evaluation: Evaluation) -> float | None:
    """Say by 1 that forgotten examples look less like members, or are less often right, than with the
    references, beyond two of their standard deviations.
    """
    return _misses(evaluation, -1)


@metric(half="test", best=0.0, unit="flag", needs="references")
def under_unlearned(evaluation: Evaluation) -> float | None:
    """Say by 1 that forgotten examples look more like members, or are more often right, than with the
    references, beyond two of their standard deviations.
    """
    return _misses(evaluation, 1)


def accuracies(logits: np.ndarray, labels: np.ndarray, chosen: Chosen = slice(None)) -> np.ndarray:
    """Compute the accuracy of each of K models from logits (K, N, classes); a vector (K,)."""
    return (logits[:, chosen].argmax(-1) == labels[chosen]).mean(-1)


def _misses(evaluation: Evaluation, side: int) -> float | None:
    """Tell whether the model is off on one side, +1 or -1; predictions as near as a reference's are not off."""
    references, areas = references_of(evaluation), calibrated_areas(evaluation, "test")
    near, floor = divergence(evaluation, "test"), forget_divergence_floor(evaluation)
    if references is None or areas is None or near is None or floor is None:
        return None
    sample, labels = sample_of(evaluation, "test"), evaluation.forget.labels
    chance = auc_error(0.5, len(sample.members), len(sample.others))
    ranked = _deviations(evaluation.mean_over_references(areas[0]), areas[1], chance)
    right = accuracies(references.forget, labels)
    share = float(right.mean())
    chance = math.sqrt(max(share * (1 - share), 1 / len(labels)) / len(labels))
    answered = _deviations(share_correct(evaluation.forget), right, chance)
    return float(side * ranked > DEVIATIONS or (side * answered > DEVIATIONS and near > floor))


def _deviations(value: float, references: np.ndarray, chance: float) -> float:
    """Count the standard deviations by which a value lies above the references': theirs, or chance's if larger."""
    return (value - float(references.mean())) / max(float(references.std(ddof=1)), chance)
