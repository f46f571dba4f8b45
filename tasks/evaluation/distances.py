"""How far predictions on what is to be forgotten lie from those of models that never saw it."""

from __future__ import annotations

import functools
import math
from dataclasses import replace

import numpy as np

from tasks.evaluation.metric import metric
from tasks.evaluation.outputs import Evaluation, HeldOut
from tasks.evaluation.predictions import (
    forgotten_confidences,
    probabilities,
    reference_probabilities,
    references_of,
)
from tasks.evaluation.references import ReferenceOutputs
from tasks.evaluation.samples import Sample, sample_of
from tasks.evaluation.statistics import auc, js_divergence, ks_distance, pooled_deviation


@metric(half="test", best="references", unit="bits", needs="references")
def forget_divergence(evaluation: Evaluation) -> float | None:
    """Measure the Jensen-Shannon divergence from the references' mean prediction, at forgotten examples
    and at test images of forgotten classes; in [0, 1], ideal forget_divergence_floor.
    """
    return divergence(evaluation, "test")


@metric(half="validation", best="references", unit="bits", needs="references")
def validation_forget_divergence(evaluation: Evaluation) -> float | None:
    """Measure forget_divergence on the other half of the forget set, and on validation images."""
    return divergence(evaluation, "validation")


@metric(half="test", best="references", unit="bits", needs="references")
def forget_divergence_floor(evaluation: Evaluation) -> float | None:
    """Measure forget_divergence of a reference from the mean of the others, averaged over them."""
    references = references_of(evaluation)
    return _floor(references, sample_of(evaluation, "test"), "test") if references else None


@metric(half="test", best="references", needs="references")
def confidence_ks(evaluation: Evaluation) -> float | None:
    """Measure the Kolmogorov-Smirnov distance of this model's label log odds on the test half of
    the forget set from those of a reference, averaged over the references.
    """
    forgotten = forgotten_confidences(evaluation, "test")
    if forgotten is None:
        return None
    distances = [
        ks_distance(forgotten.model, each)
        for number, each in enumerate(forgotten.references)
        if number != evaluation.reference
    ]
    return float(np.mean(distances))


@metric(half="test", best=0.5, needs="references")
def oracle_auc(evaluation: Evaluation) -> float | None:
    """Rank this model's label log odds on the test half of the forget set among those of a reference, each less the
    mean of the other references; above .5 it under-, below it over-unlearned. Null for a reference.
    """
    forgotten = forgotten_confidences(evaluation, "test")
    if forgotten is None or evaluation.reference is not None:
        return None
    own, left_out = forgotten.model - forgotten.means, forgotten.references - forgotten.means
    return float(np.mean([auc(a, b) for a, b in zip(own, left_out, strict=True)]))


@metric(half="test", best="references", needs="references", on_request=True)
def activation_distance(evaluation: Evaluation) -> float | None:
    """Measure the mean Euclidean distance of predictions from a reference's, averaged over the references.

    At the examples of forget_divergence. Range [0, √2]; the ideal is a reference's own value. Source:
    Golatkar et al., 2021.
    """
    found = probabilities(evaluation, "test")
    if found is None:
        return None
    distances = [
        np.linalg.norm(found.model - each, axis=-1).mean()
        for number, each in enumerate(found.references)
        if number != evaluation.reference
    ]
    return float(np.mean(distances))


@metric(half="test", best="references", needs="original")
def excess_divergence(evaluation: Evaluation) -> float | None:
    """Give forget_divergence above its floor, as a share of the original's: 1 forgot nothing, 0 is ideal.

    Null where the original lies within the floor: there is nothing to forget. Needs references.
    """
    if evaluation.original is None or evaluation.references is None:
        return None
    before = replace(evaluation.original(), references=evaluation.references)
    found = [divergence(evaluation, "test"), divergence(before, "test")]
    floor = forget_divergence_floor(evaluation)
    if found[0] is None or found[1] is None or floor is None or found[1] <= floor:
        return None
    return max(0.0, found[0] - floor) / (found[1] - floor)


@metric(half="test", best="references", needs="references", on_request=True)
def share_over_unlearned(evaluation: Evaluation) -> float | None:
    """Measure the share of forgotten examples, of the test half, with a label log odds 2 deviations below the
    references'.

    The deviation is pooled over the examples. A mean difference of 0 can hide it. Ideal is a reference's
    own value. Range [0, 1].
    """
    return _share_beyond(evaluation, -1)


@metric(half="test", best="references", needs="references", on_request=True)
def share_under_unlearned(evaluation: Evaluation) -> float | None:
    """Measure the share of forgotten examples, of the test half, with a label log odds 2 deviations above the
    references'.

    See share_over_unlearned.
    """
    return _share_beyond(evaluation, 1)


def _share_beyond(evaluation: Evaluation, side: int, deviations: float = 2.0) -> float | None:
    forgotten = forgotten_confidences(evaluation, "test")
    if forgotten is None:
        return None
    count = len(forgotten.references)
    spread = pooled_deviation(forgotten.references) * math.sqrt(1 + 1 / (count - 1))
    beyond = side * (forgotten.model - forgotten.means) > deviations * spread
    return evaluation.mean_over_references(beyond.mean(-1))


@functools.lru_cache(maxsize=2)  # several metrics of one model read it
def divergence(evaluation: Evaluation, half: HeldOut) -> float | None:
    """Average the divergence from each mean of K − 1 references, in bits; None without references."""
    found = probabilities(evaluation, half)
    if found is None:
        return None
    return evaluation.mean_over_references(js_divergence(found.model, found.means).mean(-1))


@functools.lru_cache(maxsize=2)  # the same for every model of a task
def _floor(references: ReferenceOutputs, sample: Sample, half: HeldOut) -> float:
    return float(js_divergence(*reference_probabilities(references, sample, half)).mean())
