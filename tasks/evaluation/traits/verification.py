"""Whether the features of a model still identify a forgotten person, whatever its head says.

An attacker has some photos of a person, and asks of other photos whether they show the same one: the cosine
similarity of their features answers. Null in tasks that forget no persons.
"""

from __future__ import annotations

import numpy as np

from tasks.evaluation.metric import metric
from tasks.evaluation.outputs import Evaluation, HeldOut
from tasks.evaluation.references import mean_of_others
from tasks.evaluation.samples import read_forgotten
from tasks.evaluation.statistics import auc

HALVES: tuple[HeldOut, ...] = ("validation", "test")


@metric(half="test", best="references", only="persons")
def verification_auc(evaluation: Evaluation) -> float | None:
    """Rank pairs of images of one forgotten person among pairs of a forgotten and another person, by the
    cosine similarity of what enters the head; each pair is a forgotten and a test image.
    """
    return verify(evaluation, "test")


@metric(half="validation", best="references", only="persons")
def validation_verification_auc(evaluation: Evaluation) -> float | None:
    """Measure verification_auc on the other half of the forget set, with validation images."""
    return verify(evaluation, "validation")


@metric(half="test", best=0.0, unit="difference", needs="references", only="persons")
def verification_leakage(evaluation: Evaluation) -> float | None:
    """Measure how far verification_auc lies above the references': features still identify forgotten
    persons; below 0 they do so less than if the persons had never been seen.
    """
    return _leakage(evaluation, "test")


@metric(half="validation", best=0.0, unit="difference", needs="references", only="persons")
def validation_verification_leakage(evaluation: Evaluation) -> float | None:
    """Measure verification_leakage on the other half of the forget set, with validation images."""
    return _leakage(evaluation, "validation")


def verify(evaluation: Evaluation, half: HeldOut) -> float | None:
    """Compute the AUC of a half; None without features, or without a held-out image of a forgotten person."""
    held_out = evaluation.held_out(half)
    if held_out.features is None:
        return None
    known = read_forgotten(evaluation, half)
    if known.features is None:
        return None
    assert known.kin is not None
    assert held_out.kin is not None
    similar = cosine_similarities(known.features, held_out.features)
    same = known.kin[:, None] == held_out.kin[None]
    if not same.any() or same.all():
        return None
    return auc(similar[same], similar[~same])


def cosine_similarities(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Compute the cosine (N, M) between the rows of two matrices (N, D) and (M, D); 0 for a row of zeros."""
    units = []
    for rows in (first, second):
        exact = rows.astype(np.float64)
        lengths = np.linalg.norm(exact, axis=1, keepdims=True)
        units.append(exact / np.where(lengths > 0, lengths, 1))
    return units[0] @ units[1].T


def verify_halves(evaluation: Evaluation) -> np.ndarray:
    """Compute the AUC of each of HALVES, (2,); nan where there is none: what is stored of a reference."""
    return np.array([verify(evaluation, half) for half in HALVES], dtype=float)


def _leakage(evaluation: Evaluation, half: HeldOut) -> float | None:
    own, references = verify(evaluation, half), evaluation.references
    if own is None or references is None:
        return None
    areas = references.verification[:, HALVES.index(half)]
    return evaluation.mean_over_references(own - mean_of_others(areas))
