"""Readings of logits, in float64 and stable for extreme ones."""

from __future__ import annotations

import numpy as np


def softmax(logits: np.ndarray) -> np.ndarray:
    """Turn logits (…, classes) into probabilities, float64 of the same shape."""
    values = np.asarray(logits, np.float64)
    powers = np.exp(values - values.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def log_odds(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Compute φ = log p_y − log(1 − p_y) per example, float64 (…, N).

    `logits` (…, N, classes), `labels` (N,). As z_y − logsumexp_{j≠y} z_j it is finite where p_y
    rounds to 1. Source: Carlini et al., Membership inference attacks from first principles, 2022.
    """
    others = np.array(logits, np.float64)
    place = np.broadcast_to(labels[:, None], (*others.shape[:-1], 1))
    own = np.take_along_axis(others, place, -1)[..., 0]
    np.put_along_axis(others, place, -np.inf, -1)
    top = others.max(-1)
    return own - top - np.log(np.exp(others - top[..., None]).sum(-1))
