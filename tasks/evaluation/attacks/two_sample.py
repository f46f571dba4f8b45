"""Can one tell, by what a model says of the classes that stay, that it once knew the forgotten class?"""

from __future__ import annotations

import numpy as np

from tasks.evaluation.metric import metric
from tasks.evaluation.outputs import Evaluation
from tasks.evaluation.predictions import references_of
from tasks.evaluation.samples import sample_of
from tasks.evaluation.statistics import auc

MOST = 1_000
"""Images a side."""
FOLDS = 5
SEED = 0


@metric(half="test", best="references", only="classes", on_request=True)
def retained_class_leak(evaluation: Evaluation) -> float | None:
    """Tell this model's predictions at forgotten classes from a reference's, by the retained classes alone.

    AUC of a cross-validated logistic regression on the logarithms of the retained classes' probabilities,
    renormalised; averaged over the references. ½ is a guess, 1 is certain; the ideal is a reference's own
    value against the others. Needs references. Source: after Ebrahimpour-Boroojeny et al., 2026.
    """
    references = references_of(evaluation)
    if references is None or not evaluation.forgotten_classes:
        return None
    sample = sample_of(evaluation, "test")
    kept = np.setdiff1d(np.arange(references.test.shape[-1]), evaluation.unretained_classes)
    if len(kept) < 2:
        return None
    own = [evaluation.forget.logits[sample.forgotten], evaluation.test.logits[sample.kin]]
    theirs = [references.forget[:, sample.forgotten], references.test[:, sample.kin]]
    model = log_probabilities(np.concatenate(own), kept)
    others = log_probabilities(np.concatenate(theirs, 1), kept)
    chosen = np.random.default_rng(SEED).permutation(len(model))[:MOST]
    found = [
        two_sample_auc(model[chosen], each[chosen])
        for number, each in enumerate(others)
        if number != evaluation.reference
    ]
    return float(np.mean(found))


def log_probabilities(logits: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Take the logarithm of a softmax over some classes: logits (…, classes) to float64 (…, len(kept))."""
    values = logits[..., kept].astype(np.float64)
    top = values.max(-1, keepdims=True)
    return values - top - np.log(np.exp(values - top).sum(-1, keepdims=True))


def two_sample_auc(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Tell two models apart by features (N, D) of the same N images: the mean AUC of the folds.

    An image's two copies are in the same fold. ½ where nothing can be told.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    count = len(ours)
    folds = np.random.default_rng(SEED).permutation(count) % FOLDS
    areas = []
    for fold in range(FOLDS):
        fit, judged = folds != fold, folds == fold
        model = make_pipeline(StandardScaler(), LogisticRegression())
        model.fit(np.concatenate([ours[fit], theirs[fit]]), np.repeat([1, 0], fit.sum()))
        # Each fold's model has a scale of its own: its scores are ranked among themselves.
        areas.append(auc(*(model.decision_function(side[judged]) for side in (ours, theirs))))
    return float(np.mean(areas))
