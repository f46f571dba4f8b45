"""The parts of the held-out data: validation steers the search, test is reported, calibration serves methods."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

CALIBRATION_SHARE = 0.1
"""Share of each class of each half that a calibration split takes, rounded to whole images."""


class HeldOutParts(NamedTuple):
    """Sorted indices into the held-out data; no image is in two parts, and none is left out."""

    validation: np.ndarray
    test: np.ndarray
    calibration: np.ndarray
    """Images for methods, which no result reads; often none."""


def cut_held_out(labels: np.ndarray, seed: int, calibration_share: float = 0.0) -> HeldOutParts:
    """Cut the held-out data with these labels (N,) into their parts, seeded and stratified.

    Each class is cut in two. For classes with an odd count, the larger half alternates. The calibration
    split then takes the last images of each half, so that the halves are otherwise what they are without
    one. See `_count_taken` for tiny classes.
    """
    rng = np.random.default_rng(seed)
    parts: tuple[list[np.ndarray], ...] = ([], [], [])
    for position, label in enumerate(np.unique(labels)):
        members = rng.permutation(np.flatnonzero(labels == label))
        cut = (len(members) + position % 2) // 2
        halves = members[:cut], members[cut:]
        taken = _count_taken(len(halves[0]), len(halves[1]), calibration_share)
        for part, half, count in zip(parts, halves, taken, strict=False):
            part.append(half[: len(half) - count])
            parts[2].append(half[len(half) - count :])
    return HeldOutParts(*(np.sort(np.concatenate(part)) for part in parts))


def held_out_halves(labels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of the validation and the test half where no calibration split is kept."""
    validation, test, _ = cut_held_out(labels, seed)
    return validation, test


def _count_taken(validation: int, test: int, share: float) -> tuple[int, int]:
    """Count the images of one class that calibration takes from a half of this size and of that one.

    It takes the share of each half. If both round to none, it takes one image of the larger half (of the test
    half, if they are equal). A half always keeps an image, so that a class of one or two gives none.
    """
    if not share:
        return 0, 0
    first, second = (min(round(share * size), max(size - 1, 0)) for size in (validation, test))
    if not first and not second and max(validation, test) > 1:
        return (1, 0) if validation > test else (0, 1)
    return first, second
