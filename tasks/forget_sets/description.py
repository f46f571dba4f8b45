"""What a forget set came to: the hash of its mask, its class histogram, and a line that tells both."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from tasks.datasets.dataset import Dataset

MOST_CLASSES = 10
"""Classes that the line names; the others are counted."""


def hash_mask(mask: np.ndarray) -> str:
    """Return sixteen hex digits of the SHA-256 of a boolean mask (N,), one byte an example."""
    return hashlib.sha256(mask.astype("uint8").tobytes()).hexdigest()[:16]


def count_classes(dataset: Dataset, mask: np.ndarray) -> dict[str, int]:
    """Count the marked training examples by the name of their label, in order of the classes."""
    import numpy as np

    counts = np.bincount(dataset.train.labels[mask], minlength=len(dataset.classes))
    return {name: int(n) for name, n in zip(dataset.classes, counts, strict=True) if n}


def describe_mask(
    dataset: Dataset,
    mask: np.ndarray,
    before: np.ndarray | None = None,
    new: np.ndarray | None = None,
) -> str:
    """Say how many examples of which classes are forgotten, largest class first.

    `before` and `new`, boolean (N,), are what there was before [default: all], and what comes instead.
    """
    histogram = count_classes(dataset, mask)
    ordered = sorted(histogram, key=lambda name: -histogram[name])
    named = [f"{name} {histogram[name]:,}" for name in ordered[:MOST_CLASSES]]
    others = len(ordered) - len(named)
    rest = [f"{others} other classes {sum(histogram[n] for n in ordered[MOST_CLASSES:]):,}"]
    listed = ", ".join(named + (rest if others else []))
    count = len(mask) if before is None else int(before.sum())
    comes = f"; {new.sum():,} come instead" if new is not None and new.any() else ""
    return f"forget set: {mask.sum():,} of {count:,} training examples: {listed}{comes}"
