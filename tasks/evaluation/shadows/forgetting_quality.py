"""Forgetting quality of the NeurIPS 2023 unlearning competition: can N unlearned models be told from N retrained ones?

Its ideal is not 1: ε is a maximum over thresholds, so that retrained models differ from each other too. Read
it beside its value for references among themselves, at the same N.
Source: Triantafillou et al., Are we making progress in unlearning?, 2024, and the competition's metric.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

DELTA = 1e-5
CAP = 50.0
NARROW = 0.01
"""A side whose range is this share of the other's is told at once: such as what a method without chance gives."""
STEP = 0.5
"""Width of a bucket of ε."""
FEWEST = 3
"""Models on a side that leave a bucket: of two, ⌈ln(N − 1)⌉ is 0, and so is H of anything."""


class Quality(NamedTuple):
    """Forgetting quality, and what the references have among themselves: the ideal."""

    value: float
    null: float


def forgetting_quality(unlearned: np.ndarray, retrained: np.ndarray) -> Quality | None:
    """Compute the mean over forgotten examples of H(ε), from signals φ: (N, examples) and (≥ 2 N, examples).

    `null` holds the first N of `retrained` against the next N. None for an N below FEWEST, which tells nothing.
    Raises ValueError for fewer than 2 N.
    """
    count = len(unlearned)
    if len(retrained) < 2 * count:
        raise ValueError(f"{len(retrained)} retrained models are too few: twice {count} are needed")
    if count < FEWEST:
        return None
    first, second = retrained[:count], retrained[count : 2 * count]
    return Quality(*(float(mean_quality(side, first)) for side in (unlearned, second)))


def mean_quality(a: np.ndarray, b: np.ndarray) -> float:
    """Average H(ε) over examples, of signals (N, examples) each."""
    return float(np.mean([bucket(epsilon(*pair), len(a)) for pair in zip(a.T, b.T, strict=True)]))


def bucket(value: float, count: int) -> float:
    """Compute H = 2^−k for ε in [k/2, (k+1)/2), and 0 beyond ⌈ln(N − 1)⌉."""
    k = int(value / STEP)
    return 2.0**-k if (k + 1) * STEP <= math.ceil(math.log(count - 1)) else 0.0


def epsilon(a: np.ndarray, b: np.ndarray) -> float:
    """Estimate by how much two samples of one number differ, in nats, capped at 50: (N,) and (M,).

    The largest over single thresholds, and over intervals, of ln(1 − δ − FPR) − ln FNR and its mirror. The
    side with the larger median is positive; within an interval, the side with the smaller range. A threshold
    without any error gives the cap; one without errors on one side alone tells nothing. All thresholds
    between neighbours are tried; the competition's code has a grid.
    """
    ranges = float(np.ptp(a)), float(np.ptp(b))
    if max(ranges) == 0:
        return 0.0 if a[0] == b[0] else CAP
    if min(ranges) / max(ranges) < NARROW:
        return CAP
    positive, negative = (a, b) if np.median(a) >= np.median(b) else (b, a)
    narrow, wide = (a, b) if ranges[0] <= ranges[1] else (b, a)
    single = _from_errors(1 - _shares_below(negative, a, b), _shares_below(positive, a, b))
    inside = [_shares_below(side, a, b) for side in (narrow, wide)]
    held = [shares[None, :] - shares[:, None] for shares in inside]
    upper = np.triu_indices(len(inside[0]), 1)
    double = _from_errors(held[1][upper], 1 - held[0][upper])
    return min(CAP, max(0.0, single, double))


def _shares_below(side: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Compute the share of `side` below each threshold: one before, between and after all values."""
    points = np.unique(np.concatenate([a, b]))
    cuts = np.concatenate([[-np.inf], (points[1:] + points[:-1]) / 2, [np.inf]])
    return np.searchsorted(np.sort(side), cuts) / len(side)


def _from_errors(false_positive: np.ndarray, false_negative: np.ndarray) -> float:
    """Compute the largest ε that rates of both errors show; infinite where both are 0."""
    fpr, fnr = false_positive, false_negative
    if ((fpr <= 0) & (fnr <= 0)).any():
        return math.inf
    told = (fpr > 0) & (fnr > 0)
    if not told.any():
        return 0.0
    fpr, fnr = fpr[told], fnr[told]
    with np.errstate(divide="ignore", invalid="ignore"):
        found = [np.log(1 - DELTA - x) - np.log(y) for x, y in ((fpr, fnr), (fnr, fpr))]
    return float(np.nanmax(np.concatenate(found)))
