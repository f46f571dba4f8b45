"""Are the features still the original's? A changed head alone can make the outputs look as if retrained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tasks.evaluation.looks.images import read_features, take_forgotten
from tasks.evaluation.metric import metric
from tasks.evaluation.outputs import Evaluation

if TYPE_CHECKING:
    from tasks.models.network import Network

MOST = 1_000
"""Images: the estimate compares each with each."""


@metric(half="test", best=0.0, unit="difference", needs="features")
def cka_to_original_gap(evaluation: Evaluation) -> float | None:
    """Measure how much more like the original's the features are than the references' are: linear CKA.

    On half of the forget set, and test images of forgotten classes. Range [−1, 1], ideal 0: above it the
    representation is still the original's, below it has moved further than a retrain. Needs references.
    Source: Kornblith et al., 2019; unbiased form: Nguyen et al., 2021.
    """
    inside = evaluation.inside
    if inside is None or not inside.others:
        return None

    def features(model: Network) -> np.ndarray:
        return _features(evaluation, model)

    original = inside.see_original("features", features)
    theirs = inside.see_references("features", features)
    own = linear_cka(features(inside.model), original)
    return own - float(np.mean([linear_cka(each, original) for each in theirs]))


@metric(half="test", best=0.0, unit="difference", needs="features")
def cka_to_references_gap(evaluation: Evaluation) -> float | None:
    """Measure how much more like the references' the features are than those are among themselves.

    Linear CKA; range [−1, 1], ideal 0, below it less like. Needs two references beside the model. Source:
    see cka_to_original_gap.
    """
    inside = evaluation.inside
    if inside is None or len(inside.others) < 2:
        return None

    def features(model: Network) -> np.ndarray:
        return _features(evaluation, model)

    theirs, own = inside.see_references("features", features), features(inside.model)
    mine = [linear_cka(own, each) for each in theirs]
    among = [linear_cka(a, b) for n, a in enumerate(theirs) for b in theirs[:n]]
    return float(np.mean(mine)) - float(np.mean(among))


def linear_cka(x: np.ndarray, y: np.ndarray) -> float:
    """Compute the linear CKA of features (N, D) and (N, D') of the same N > 3 images, without the bias of small N.

    HSIC(K, L) / √(HSIC(K, K) HSIC(L, L)), each by the unbiased estimator of Song et al. (2012). 1 for
    features that differ by a rotation and a scale. It can lie below 0; 0 where a side is constant.
    """
    # Without their means, which change nothing, constant features are zeros to the last bit.
    centred = [each - each.mean(0) for each in (x.astype(np.float64), y.astype(np.float64))]
    grams = [each @ each.T for each in centred]
    for gram in grams:
        np.fill_diagonal(gram, 0.0)
    own = _hsic(grams[0], grams[0]) * _hsic(grams[1], grams[1])
    return _hsic(*grams) / float(np.sqrt(own)) if own > 0 else 0.0


def _hsic(k: np.ndarray, m: np.ndarray) -> float:
    """Estimate HSIC from two Gram matrices (N, N) whose diagonals are 0."""
    n = len(k)
    same = (k * m).sum()
    apart = k.sum() * m.sum() / ((n - 1) * (n - 2))
    shared = 2 * (k.sum(0) @ m.sum(0)) / (n - 2)
    return float(same + apart - shared) / (n * (n - 3))


def _features(evaluation: Evaluation, model: Network) -> np.ndarray:
    return np.concatenate(
        [read_features(model, part)[0] for part in take_forgotten(evaluation, MOST)]
    )
