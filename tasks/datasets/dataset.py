"""A data set: two arrays of labelled images, their normalisation and their augmentation."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tasks.errors import InvalidValue


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
        """Compute the SHA-256 of pixels and labels, once; it does not depend on the file format."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
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

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width of an image in pixels."""
        height, width = self.train.images.shape[2:]
        return height, width


def check_dataset(data: Dataset) -> Dataset:
    """Return the data set; raise InvalidValue for what no split, metric or model could work with."""
    for split, part in (("train", data.train), ("held-out", data.held_out)):
        images, labels = part.images, part.labels
        what = f"the {split} split of {data.name} ({data.source})"
        if images.ndim != 4 or images.dtype != np.uint8 or labels.dtype != np.int64:
            raise InvalidValue(f"{what} must be images uint8 (N, C, H, W) and labels int64 (N,)")
        if labels.shape != images.shape[:1]:
            raise InvalidValue(f"{what} has {len(images)} images and {len(labels)} labels")
        if not len(labels):
            raise InvalidValue(f"{what} is empty")
        if not 0 <= labels.min() <= labels.max() < len(data.classes):
            raise InvalidValue(
                f"{what} has labels {labels.min()}..{labels.max()}, not 0..{len(data.classes) - 1}"
            )
    if data.train.images.shape[1:] != data.held_out.images.shape[1:]:
        raise InvalidValue(
            f"{data.name} ({data.source}): train images are {data.train.images.shape[1:]}, held-out ones "
            f"{data.held_out.images.shape[1:]}"
        )
    if not len(data.mean) == len(data.std) == data.channels:
        raise InvalidValue(f"{data.name}: mean and std must have one number for each channel")
    return data
