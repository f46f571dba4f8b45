"""A data set: two arrays of labelled images, their normalisation and their augmentation."""

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
    subclasses: np.ndarray | None = None
    """Positions int64 (N,) in the data set's `subclasses`, where there are finer labels than `labels`."""

    def __len__(self) -> int:
        return len(self.labels)

    def compute_digest(self) -> str:
        """Compute the SHA-256 of pixels and labels, which does not depend on the file format."""
        digest = hashlib.sha256(np.ascontiguousarray(self.images).data)
        digest.update(np.ascontiguousarray(self.labels).data)
        return digest.hexdigest()


@dataclass(frozen=True)
class Augmentation:
    """Random changes of a training image, drawn again each time the image is read."""

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
    """Images that no model is trained on. The task splits them into a validation and a test half."""
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    """Per channel, of pixels scaled to [0, 1]."""
    std: tuple[float, ...]
    augmentation: Augmentation
    source: str
    """Origin of the data, for the log."""
    subclasses: tuple[str, ...] = ()
    """Names of finer classes, each a part of one class; no model is trained on them."""

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hex digits that differ between copies with any different pixel or label."""
        joined = self.train.compute_digest() + self.held_out.compute_digest()
        return hashlib.sha256(joined.encode()).hexdigest()[:16]

    @property
    def channels(self) -> int:
        """Colour channels of an image."""
        return self.train.images.shape[1]
