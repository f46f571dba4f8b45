"""What attacks on single predictions read: five features of a softmax."""

from __future__ import annotations

import numpy as np

from tasks.evaluation.logits import softmax

TINY = np.finfo(np.float64).tiny


def correctness(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Tell which predictions (N, classes) are right: 1 or 0, (N, 1)."""
    return (logits.argmax(1) == labels).astype(np.float64)[:, None]


def confidence(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Read the probability of the label, (N, 1)."""
    return softmax(logits)[np.arange(len(labels)), labels][:, None]


def entropy(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Compute the entropy of each prediction in nats, (N, 1); the labels are not read."""
    p = softmax(logits)
    return -(p * np.log(np.maximum(p, TINY))).sum(1)[:, None]


def modified_entropy(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Compute −(1 − p_y) ln p_y − Σ_{j≠y} p_j ln(1 − p_j) of each prediction, (N, 1).

    Source: Song and Mittal, Systematic evaluation of privacy risks of machine learning models, 2021.
    """
    p, rows = softmax(logits), np.arange(len(labels))
    own = p[rows, labels]
    # 1 − p_j as the sum of the others is exact where p_j rounds to 1.
    rest = np.maximum(p.sum(1, keepdims=True) - p, TINY)
    terms = p * np.log(rest)
    terms[rows, labels] = (p[rows].sum(1) - own) * np.log(np.maximum(own, TINY))
    return -terms.sum(1)[:, None]


def probability(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Read every class's probability, (N, classes); the labels are not read."""
    return softmax(logits)
