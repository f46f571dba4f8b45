"""How far two samples of one number lie apart."""

from __future__ import annotations

import math

import numpy as np


def auc(members: np.ndarray, others: np.ndarray) -> float:
    """Compute P(member > other) + ½ P(equal), of all pairs: the area under the ROC curve."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, members, "left") + np.searchsorted(ordered, members, "right")
    return float(below.mean() / (2 * len(others)))


def auc_error(area: float, members: int, others: int) -> float:
    """Compute the standard error of an AUC. Source: Hanley and McNeil, Radiology 143, 1982."""
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    spread = area * (1 - area) + (members - 1) * (q1 - area**2) + (others - 1) * (q2 - area**2)
    return math.sqrt(max(0.0, spread) / (members * others))


def auc_interval(members: np.ndarray, others: np.ndarray) -> tuple[float, float]:
    """Compute the 95 % interval of an AUC, within [0, 1]."""
    area = auc(members, others)
    reach = 1.96 * auc_error(area, len(members), len(others))
    return max(0.0, area - reach), min(1.0, area + reach)


def ks_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Compute the largest difference of the two distribution functions (Kolmogorov–Smirnov), in [0, 1]."""
    points = np.concatenate([a, b])
    shares = [np.searchsorted(np.sort(side), points, "right") / len(side) for side in (a, b)]
    return float(np.abs(shares[0] - shares[1]).max())


def js_divergence(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Compute the Jensen–Shannon divergence in bits, in [0, 1], over the last axis of probabilities."""
    middle = (p + q) / 2
    return _entropy(middle) - (_entropy(p) + _entropy(q)) / 2


def _entropy(p: np.ndarray) -> np.ndarray:
    """In bits; 0 log 0 is 0."""
    return -(p * np.log2(np.maximum(p, np.finfo(np.float64).tiny))).sum(-1)


def pooled_deviation(values: np.ndarray) -> float:
    """Compute one standard deviation for all examples, of K values of each: `values` (K ≥ 2, N).

    σ² = Σ_i Σ_k (v_ki − mean_i)² / Σ_i (K − 1): below 64 values of each, steadier than one σ an example.
    """
    return float(np.sqrt(np.var(values, axis=0, ddof=1).mean()))
