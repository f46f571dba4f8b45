"""Attacks that need few models which never saw the data: here, the references."""

from __future__ import annotations

import numpy as np

from tasks.evaluation.logits import softmax
from tasks.evaluation.metric import metric
from tasks.evaluation.outputs import Evaluation
from tasks.evaluation.predictions import forgotten_confidences, references_of
from tasks.evaluation.samples import sample_of
from tasks.evaluation.shadows.interpolation import interpolation_scores
from tasks.evaluation.shadows.rmia import population_mean
from tasks.evaluation.statistics import auc


@metric(half="test", best=0.5, needs="references", on_request=True)
def rmia_auc(evaluation: Evaluation) -> float | None:
    """Rank forgotten examples among as many test examples of the same classes by RMIA, offline: ideal .5.

    The references are the models that saw neither. Above .5 it under-, below it over-unlearned. Range [0, 1].
    For one model, the share of a population with a lower ratio orders examples as their ratios do: these are
    compared, and a coarse population makes no ties. Source: Zarifzadeh et al., 2024.
    """
    references = references_of(evaluation)
    if references is None:
        return None
    sample = sample_of(evaluation, "test")
    others = [k for k in range(len(references)) if k != evaluation.reference]

    def ratios(split: str) -> np.ndarray:
        outputs, theirs = getattr(evaluation, split), getattr(references, split)[others]
        rows, labels = np.arange(len(outputs.labels)), outputs.labels
        mean = population_mean(softmax(theirs)[:, rows, labels])
        return outputs.probabilities[rows, labels] / mean

    return auc(ratios("forget")[sample.members], ratios("test")[sample.others])


@metric(half="test", best="references", needs="original")
def interpolation_score(evaluation: Evaluation) -> float | None:
    """Measure how far from fitted to never seen the test half of the forget set is, by interpolation (IAM), in [0, 1].

    The references are the shadow models. 1 as if never seen, 0 as fitted as by the original. The ideal is a
    reference's own value. Over-unlearning scores 1 too: see share_over_unlearned. Source: IAM, 2025.
    """
    forgotten = forgotten_confidences(evaluation, "test")
    if forgotten is None or evaluation.original is None:
        return None
    sample, others = sample_of(evaluation, "test"), np.arange(len(forgotten.references))
    shadows = forgotten.references[others != evaluation.reference]
    before = evaluation.original().forget.phi[sample.forgotten]
    return float(interpolation_scores(forgotten.model, before, shadows).mean())
