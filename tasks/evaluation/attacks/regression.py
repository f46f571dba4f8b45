"""Logistic regressions on one feature, many at once: an attack fits ten."""

from __future__ import annotations

import numpy as np

MOST_STEPS = 100
GRADIENT_LEFT = 1e-9
"""A fit has ended where its gradient, per example, is below this."""
SMALLEST_DETERMINANT = 1e-300


def fit_regressions(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the slopes (S,) and intercepts (S,) of S logistic regressions, by Newton's method.

    `x` (S, N) holds the feature of the N examples of each, and `y` (N,) of 0 and 1 what they are in all of them. Each
    minimises Σ log(1 + e^r) − y·r + s²/2 for r = s·x + b: what scikit-learn's LogisticRegression() minimises. A step
    that does not lower its sum is halved until it does.
    """
    weights = np.zeros((2, len(x)))
    value = _loss(weights, x, y)
    for _ in range(MOST_STEPS):
        gradient, step = _newton_step(weights, x, y)
        if np.abs(gradient).max() <= GRADIENT_LEFT * len(y):
            break
        share = np.ones(len(x))
        for _ in range(MOST_STEPS):
            moved = weights - share * step
            lower = _loss(moved, x, y)
            worse = lower > value
            if not worse.any():
                break
            share[worse] /= 2
        # What cannot be lowered any more is as low as numbers get.
        weights = np.where(worse, weights, moved)
        if np.array_equal(np.minimum(lower, value), value):
            break
        value = np.minimum(lower, value)
    return weights[0], weights[1]


def _loss(weights: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    raw = x * weights[0, :, None] + weights[1, :, None]
    return (np.logaddexp(0.0, raw) - y * raw).sum(1) + weights[0] ** 2 / 2


def _newton_step(
    weights: np.ndarray, x: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the gradients (2, S), and what to subtract from the weights (2, S)."""
    raw = x * weights[0, :, None] + weights[1, :, None]
    p = np.exp(-np.logaddexp(0.0, -raw))
    wrong, curve = p - y, p * (1 - p)
    by_slope, by_intercept = (x * wrong).sum(1) + weights[0], wrong.sum(1)
    xx, xb, bb = (x * x * curve).sum(1) + 1, (x * curve).sum(1), curve.sum(1)
    determinant = np.maximum(xx * bb - xb * xb, SMALLEST_DETERMINANT)
    step = bb * by_slope - xb * by_intercept, xx * by_intercept - xb * by_slope
    return np.stack([by_slope, by_intercept]), np.stack(step) / determinant
