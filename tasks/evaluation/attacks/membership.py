"""Were these examples trained on? An attack whose score is calibrated by the references.

What a model that never saw an example says of it is subtracted: it tells how hard the example is.
Sources: Watson et al., On the importance of difficulty calibration in membership inference attacks,
2022; Carlini et al., Membership inference attacks from first principles, 2022 (its offline attack,
without the variance).
"""

from __future__ import annotations

import functools

import numpy as np

from tasks.evaluation.attacks.advantages import Advantages
from tasks.evaluation.metric import metric
from tasks.evaluation.outputs import Evaluation, HeldOut
from tasks.evaluation.predictions import confidences
from tasks.evaluation.statistics import auc


@functools.lru_cache(maxsize=2)  # several metrics of one model read the same attack
def calibrated_areas(evaluation: Evaluation, half: HeldOut) -> tuple[np.ndarray, np.ndarray] | None:
    """Rank forgotten examples among held-out ones of the same classes, by φ less the references' mean.

    Gives two vectors (K,) of AUCs, ½ where the attack only guesses: the model's, calibrated by each
    mean of K − 1 references, and each reference's, calibrated by the others. None without references.
    """
    members, others = confidences(evaluation, half)
    if members is None or others is None:
        return None
    model = members.model - members.means, others.model - others.means
    references = members.references - members.means, others.references - others.means
    areas = [
        np.array([auc(inside, outside) for inside, outside in zip(*sides, strict=True)])
        for sides in (model, references)
    ]
    return areas[0], areas[1]


def membership(evaluation: Evaluation, half: HeldOut) -> Advantages | None:
    """Attack the membership of a half's forgotten examples; |2 AUC − 1| is the advantage."""
    areas = calibrated_areas(evaluation, half)
    if areas is None:
        return None
    model, references = (np.abs(2 * area - 1) for area in areas)
    return Advantages(evaluation.mean_over_references(model), float(references.mean()))


@metric(half="test", best="references", needs="references")
def membership_advantage(evaluation: Evaluation) -> float | None:
    """Measure how well forgotten examples are told from test examples of the same classes, calibrated
    by the references; in [0, 1].
    """
    found = membership(evaluation, "test")
    return found.model if found else None


@metric(half="validation", best="references", needs="references")
def validation_membership_advantage(evaluation: Evaluation) -> float | None:
    """Measure membership_advantage on the other half of the forget set, against validation examples."""
    found = membership(evaluation, "validation")
    return found.model if found else None
