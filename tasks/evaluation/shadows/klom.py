"""KLOM: how far the margins of N unlearned models lie from those of N retrained ones, example by example.

Small N flatters nobody: retrained models against each other have .34 at N = 100 and 3.9 at N = 16, so the
floor belongs beside each value. Source: Georgiev et al., Attribute-to-delete, 2025.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

BINS, FEW_BINS, ENOUGH = 20, 8, 64
"""Bins of a histogram; below ENOUGH models fewer."""
CLIP, LEAST = 100.0, 1e-5


class Klom(NamedTuple):
    """Mean and 95th percentile over examples, in nats, and the same of the references among themselves."""

    mean: float
    high: float
    floor_mean: float
    floor_high: float


def klom(unlearned: np.ndarray, retrained: np.ndarray) -> Klom:
    """Compute KLOM of margins φ: (N, examples), and of retrained models (≥ 2 N, examples).

    The floor holds the first N of `retrained` against the next N. Raises ValueError for fewer.
    """
    count = len(unlearned)
    if len(retrained) < 2 * count:
        raise ValueError(f"{len(retrained)} retrained models are too few: twice {count} are needed")
    bins = BINS if count >= ENOUGH else FEW_BINS
    first, second = retrained[:count], retrained[count : 2 * count]
    found = [divergences(side, first, bins) for side in (unlearned, second)]
    (mean, high), (floor, floor_high) = ((v.mean(), np.quantile(v, 0.95)) for v in found)
    return Klom(float(mean), float(high), float(floor), float(floor_high))


def divergences(unlearned: np.ndarray, retrained: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Compute KL(u ‖ r) of the histograms over the joint range, example by example: (examples,).

    Margins are clipped at ±100. A bin that r lacks and u has counts as 1e-5 there; then r sums to 1 again.
    Disjoint margins have about ln 1e5 = 11.513.
    """
    sides = (np.clip(side, -CLIP, CLIP).T for side in (unlearned, retrained))
    return np.array([_divergence(a, b, bins) for a, b in zip(*sides, strict=True)])


def _divergence(a: np.ndarray, b: np.ndarray, bins: int) -> float:
    limits = float(min(a.min(), b.min())), float(max(a.max(), b.max()))
    if limits[0] == limits[1]:
        return 0.0
    # np.histogram counts what equals the maximum; np.digitize, as in the authors' code, drops it.
    p, q = (np.histogram(side, bins, limits)[0] / len(side) for side in (a, b))
    q = np.where(p > 0, np.maximum(q, LEAST), q)
    q, there = q / q.sum(), p > 0
    return float((p[there] * np.log(p[there] / q[there])).sum())
