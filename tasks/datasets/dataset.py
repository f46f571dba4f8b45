"""What a data set is: two arrays of labelled images, and how they are normalised and augmented."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class LabelledImages:
    """Images uint8 (N, C, H, W) and their labels int64 (N,)."""

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def digest(self) -> str:
        """SHA-256 over the pixels and the labels: the content, whichever file it came from."""
        digest = hashlib.sha256(np.ascontiguousarray(self.images).data)
        digest.update(np.ascontiguousarray(self.labels).data)
        return digest.hexdigest()


@dataclass(frozen=True)
class Augmentation:
    """Random changes of a training image, drawn anew each time it is seen."""

    flip: bool = False
    """Mirror left to right with probability one half."""
    translate: int = 0
    """Shift by up to this many pixels in each direction; the border is reflected."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training and held-out images of one classification problem."""

    name: str
    train: LabelledImages
    held_out: LabelledImages
    """Never trained on; split in two by the task: validation and test."""
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    """Per channel, of pixels scaled to [0, 1]."""
    std: tuple[float, ...]
    augmentation: Augmentation
    source: str
    """Where it was read from, for the log."""

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hex digits that tell apart copies of a data set that differ in any pixel."""
        joined = self.train.digest() + self.held_out.digest()
        return hashlib.sha256(joined.encode()).hexdigest()[:16]

    @property
    def channels(self) -> int:
        """Colour channels of an image."""
        return self.train.images.shape[1]
