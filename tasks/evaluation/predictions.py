"""The model's predictions beside the references', at the forgotten examples of a half and at what attackers see."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from tasks.evaluation.logits import log_odds, softmax
from tasks.evaluation.outputs import Evaluation, HeldOut
from tasks.evaluation.references import ReferenceOutputs, mean_of_others
from tasks.evaluation.samples import Sample, read_forgotten, sample_of
from tasks.roles import FEWEST


class Predictions(NamedTuple):
    """Something per example of the model (N, …), of K references, and of each mean of the others (K, N, …)."""

    model: np.ndarray
    references: np.ndarray
    means: np.ndarray


def references_of(evaluation: Evaluation) -> ReferenceOutputs | None:
    """Give the references if there are enough of them to be held against each other."""
    references = evaluation.references
    return references if references is not None and len(references) >= FEWEST else None


def probabilities(evaluation: Evaluation, half: HeldOut) -> Predictions | None:
    """Gather softmaxes at a half's forgotten examples, then at its images of forgotten classes.

    None without references.
    """
    references, sample = references_of(evaluation), sample_of(evaluation, half)
    if references is None:
        return None
    held_out = evaluation.held_out(half)
    own = [read_forgotten(evaluation, half).logits, held_out.logits[sample.kin]]
    return Predictions(
        softmax(np.concatenate(own)), *reference_probabilities(references, sample, half)
    )


def confidences(
    evaluation: Evaluation, half: HeldOut
) -> tuple[Predictions, Predictions] | tuple[None, None]:
    """Gather log odds φ of a half's members, and of its non-members; (None, None) without references."""
    references, sample = references_of(evaluation), sample_of(evaluation, half)
    if references is None:
        return None, None
    held_out = evaluation.held_out(half)
    members = _log_odds(references, "forget", evaluation.forget.labels.tobytes())
    others = _log_odds(references, half, held_out.labels.tobytes())
    return (
        _at(sample.members, read_forgotten(evaluation, half).phi[sample.chosen], members),
        _at(sample.others, held_out.phi[sample.others], others),
    )


def forgotten_confidences(evaluation: Evaluation, half: HeldOut) -> Predictions | None:
    """Gather log odds φ of all of a half's forgotten examples, with or without non-members of their classes.

    None without references.
    """
    references, sample = references_of(evaluation), sample_of(evaluation, half)
    if references is None:
        return None
    known = _log_odds(references, "forget", evaluation.forget.labels.tobytes())
    return _at(sample.forgotten, read_forgotten(evaluation, half).phi, known)


def _at(
    chosen: np.ndarray, own: np.ndarray, references: tuple[np.ndarray, np.ndarray]
) -> Predictions:
    values, means = references
    return Predictions(own, values[:, chosen], means[:, chosen])


# Every model of a task is held against the same references: their part is computed once.
@functools.lru_cache(maxsize=2)
def reference_probabilities(
    references: ReferenceOutputs, sample: Sample, half: HeldOut
) -> tuple[np.ndarray, np.ndarray]:
    """Gather the references' part of `probabilities`: theirs, and each mean of the others."""
    held_out: np.ndarray = getattr(references, half)
    values = softmax(
        np.concatenate([references.forget[:, sample.forgotten], held_out[:, sample.kin]], axis=1)
    )
    return values, mean_of_others(values)


@functools.lru_cache(maxsize=3)
def _log_odds(
    references: ReferenceOutputs, split: str, labels: bytes
) -> tuple[np.ndarray, np.ndarray]:
    values = log_odds(getattr(references, split), np.frombuffer(labels, np.int64))
    return values, mean_of_others(values)
