"""MIA-efficacy: the share of forgotten examples that a support vector machine takes for unseen ones.

Trained on a feature of predictions, retain examples (1) against test examples (0). The ideal is what a
retrained model has: more is over-unlearning. Source: Jia et al., 2023; Fan et al. (SalUn), 2024.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from tasks.evaluation.attacks import features
from tasks.evaluation.metric import metric
from tasks.evaluation.outputs import Evaluation, Outputs

MOST = 2_000
"""Examples a side: the fit takes between the square and the cube of them."""
SEED = 0
Feature = Callable[[np.ndarray, np.ndarray], np.ndarray]


@metric(half="test", best="references", on_request=True)
def svc_mia_correctness(evaluation: Evaluation) -> float:
    """Measure the SVC attack's MIA-efficacy by whether predictions are right; in [0, 1]."""
    return efficacy(evaluation, features.correctness)


@metric(half="test", best="references", on_request=True)
def svc_mia_confidence(evaluation: Evaluation) -> float:
    """Measure the SVC attack's MIA-efficacy by the label's probability: SalUn's number; in [0, 1]."""
    return efficacy(evaluation, features.confidence)


@metric(half="test", best="references", on_request=True)
def svc_mia_entropy(evaluation: Evaluation) -> float:
    """Measure the SVC attack's MIA-efficacy by the prediction's entropy; in [0, 1]."""
    return efficacy(evaluation, features.entropy)


@metric(half="test", best="references", on_request=True)
def svc_mia_modified_entropy(evaluation: Evaluation) -> float:
    """Measure the SVC attack's MIA-efficacy by the modified entropy; in [0, 1]."""
    return efficacy(evaluation, features.modified_entropy)


@metric(half="test", best="references", on_request=True)
def svc_mia_probability(evaluation: Evaluation) -> float:
    """Measure the SVC attack's MIA-efficacy by all probabilities; in [0, 1]."""
    return efficacy(evaluation, features.probability)


def efficacy(evaluation: Evaluation, feature: Feature) -> float:
    """Attack a model by a feature; gives the share of forgotten examples taken for unseen ones."""
    retain, test, forget = map(_draw, (evaluation.retain, evaluation.test, evaluation.forget))
    return svc_efficacy(retain, test, forget, feature)


def svc_efficacy(
    retain: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    forget: tuple[np.ndarray, np.ndarray],
    feature: Feature,
) -> float:
    """Fit SVC(C=3, rbf, gamma=auto) to equally many retain and test examples; judge the forgotten ones.

    Each side is logits (N, classes) and labels (N,), in random order: the first of either are taken.
    """
    from sklearn.svm import SVC

    count = min(len(retain[1]), len(test[1]))
    sides = [feature(logits[:count], labels[:count]) for logits, labels in (retain, test)]
    machine = SVC(C=3, kernel="rbf", gamma="auto")
    machine.fit(np.concatenate(sides), np.repeat([1, 0], count))
    return float(1 - machine.predict(feature(*forget)).mean())


@functools.lru_cache(maxsize=3)  # five features of one model read the same examples
def _draw(outputs: Outputs) -> tuple[np.ndarray, np.ndarray]:
    chosen = np.random.default_rng(SEED).permutation(len(outputs.labels))[:MOST]
    return outputs.logits[chosen], outputs.labels[chosen]
