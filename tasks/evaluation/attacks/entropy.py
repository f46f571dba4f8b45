"""The entropy attack of the SSD and LoTUS papers: do forgotten examples look like retained ones?"""

from __future__ import annotations

import numpy as np

from tasks.evaluation.attacks.features import entropy
from tasks.evaluation.metric import metric
from tasks.evaluation.outputs import Evaluation


@metric(half="test", best="references", on_request=True)
def entropy_lr_members(evaluation: Evaluation) -> float:
    """Measure the share of forgotten examples that a logistic regression on the entropy takes for retained.

    Fitted to the retain sample against the test half, both sides weighing the same. Range [0, 1]; ideal is
    a reference's value: less is over-unlearning. Source: Foster et al. (SSD), 2024.
    """
    parts = (evaluation.retain, evaluation.test, evaluation.forget)
    return share_taken_for_members(*(entropy(part.logits, part.labels) for part in parts))


def share_taken_for_members(retain: np.ndarray, test: np.ndarray, forget: np.ndarray) -> float:
    """Fit a class-balanced logistic regression to features (N, D) of both sides; judge `forget` (M, D)."""
    from sklearn.linear_model import LogisticRegression

    sides = np.concatenate([retain, test])
    model = LogisticRegression(class_weight="balanced")
    model.fit(sides, np.repeat([1, 0], [len(retain), len(test)]))
    return float(model.predict(forget).mean())
