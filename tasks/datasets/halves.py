"""The two halves of the held-out data: validation steers the search, test is reported."""

from __future__ import annotations

import numpy as np


def held_out_halves(labels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of the validation and the test half of the held-out data, seeded and stratified.

    Each class is cut in two. For classes with an odd count, the larger half alternates.
    """
    rng = np.random.default_rng(seed)
    validation, test = [], []
    for position, label in enumerate(np.unique(labels)):
        members = rng.permutation(np.flatnonzero(labels == label))
        cut = (len(members) + position % 2) // 2
        validation.append(members[:cut])
        test.append(members[cut:])
    return np.sort(np.concatenate(validation)), np.sort(np.concatenate(test))
