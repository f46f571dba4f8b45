"""Do the features still tell the forgotten class, whatever the head says?"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from tasks.evaluation.looks.images import read_features
from tasks.evaluation.metric import metric
from tasks.evaluation.outputs import Evaluation

if TYPE_CHECKING:
    from tasks.models.network import Network

MOST = 2_000
"""Images of the retain set, and of the forget set, that a probe learns from."""
NEIGHBOURS = 5
Predict = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Features, their labels, and the features to judge; gives labels."""


@metric(half="test", best=0.0, unit="difference", needs="features", only="classes")
def probe_recovery_gap(evaluation: Evaluation) -> float | None:
    """Measure how much more of the forgotten classes a linear probe recovers than from the references.

    The probe learns from features of training images, forgotten ones included; its recall on test images
    of the forgotten classes is compared. Range [−1, 1], ideal 0; below it, features lost more than a
    retrain's have. It saturates where retained classes' features tell the class too. Source: Gao et al., 2026.
    """
    return _gap(evaluation, "probe", probe_predictions)


@metric(half="test", best=0.0, unit="difference", needs="features", only="classes")
def knn_recovery_gap(evaluation: Evaluation) -> float | None:
    """Measure probe_recovery_gap by the 5 nearest neighbours in cosine similarity: without a fit."""
    return _gap(evaluation, "neighbours", neighbour_predictions)


def probe_predictions(features: np.ndarray, labels: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Predict the class of features `asked` (M, D) by a logistic regression on standardised ones (N, D)."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probe = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=300))
    predicted: np.ndarray = probe.fit(features, labels).predict(asked)
    return predicted


def neighbour_predictions(
    features: np.ndarray, labels: np.ndarray, asked: np.ndarray, count: int = NEIGHBOURS
) -> np.ndarray:
    """Predict by the most frequent class of the `count` nearest features; of several, by the lowest class."""
    sides = [
        part / np.maximum(np.linalg.norm(part, axis=1), 1e-12)[:, None]
        for part in (features, asked)
    ]
    near = np.argsort(-(sides[1] @ sides[0].T), axis=1, kind="stable")[:, :count]
    votes = np.zeros((len(asked), int(labels.max()) + 1), np.int64)
    np.add.at(votes, (np.arange(len(asked))[:, None], labels[near]), 1)
    return votes.argmax(1)


def _gap(evaluation: Evaluation, name: str, predict: Predict) -> float | None:
    import torch

    inside, rng = evaluation.inside, torch.Generator().manual_seed(0)
    gone = np.flatnonzero(np.isin(evaluation.test.labels, evaluation.forgotten_classes))
    if inside is None or not len(gone):
        return None
    learned = inside.retain.subset(MOST, rng), inside.forget.subset(MOST, rng)
    asked = inside.test.at(torch.from_numpy(gone))

    def recall(model: Network) -> float:
        known = [read_features(model, part) for part in learned]
        features, labels = (np.concatenate(part) for part in zip(*known, strict=True))
        wanted, truth = read_features(model, asked)
        return float((predict(features, labels, wanted) == truth).mean())

    return inside.measure_gap(name, recall)
