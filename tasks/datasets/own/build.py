"""Data of one's own: what is measured of them, and what is held out if nothing was set aside."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tasks.datasets.dataset import Augmentation, Dataset, LabelledImages
from tasks.errors import InvalidValue

HELD_OUT_SHARE = 0.25
"""Share of each class that is held out where the data have one part only."""
SPLIT_SEED = 0
"""The same split for every task: its seed is none of the task's, or each seed would have other data."""
MEASURED = 5_000
"""Training images, evenly spaced, whose pixels give the mean and the deviation."""
SHIFT = 16
"""A training image is shifted by up to one part in so many of its side: 2 of 32 pixels, as CIFAR-10's."""


def build_own(
    name: str, parts: dict[str, LabelledImages], classes: tuple[str, ...], source: str
) -> Dataset:
    """Build a data set from `parts["train"]` and, if there is one, `parts["held-out"]`.

    Without the latter a seeded quarter of each class is held out. Images are flipped and shifted in training.
    Raises InvalidValue for fewer than two classes, and for one that no training image has.
    """
    train, held_out = parts["train"], parts.get("held-out")
    if held_out is None:
        train, held_out = split_off_held_out(train, classes, source)
        source += f"; a seeded quarter of each class held out ({len(held_out):,} images)"
    if len(classes) < 2:
        raise InvalidValue(f"{source} has {len(classes)} class; at least 2 are needed")
    absent = [c for c, count in zip(classes, _count(train, classes), strict=True) if not count]
    if absent:
        raise InvalidValue(f"{source} has no training image of {', '.join(absent)[:200]}")
    mean, std = measure_pixels(train.images)
    shift = max(1, min(train.images.shape[2:]) // SHIFT)
    return Dataset(
        name=name,
        train=train,
        held_out=held_out,
        classes=classes,
        mean=mean,
        std=std,
        augmentation=Augmentation(flip=True, translate=shift),
        source=source,
    )


def split_off_held_out(
    data: LabelledImages, classes: tuple[str, ...], source: str
) -> tuple[LabelledImages, LabelledImages]:
    """Hold out a seeded share of each class; return the training part and the held-out part.

    Raises InvalidValue for a class with fewer than four images: it could not be in all three parts.
    """
    rng = np.random.default_rng(SPLIT_SEED)
    held_out = np.zeros(len(data), bool)
    for number, count in enumerate(_count(data, classes)):
        if count < 4:
            raise InvalidValue(
                f"{source}: the class {classes[number]} has {count} images; at least 4 are needed, of which "
                "some are held out"
            )
        of_class = rng.permutation(np.flatnonzero(data.labels == number))
        held_out[of_class[: max(2, round(HELD_OUT_SHARE * count))]] = True
    return tuple(LabelledImages(data.images[m], data.labels[m]) for m in (~held_out, held_out))  # type: ignore[return-value]


def measure_pixels(images: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Measure mean and deviation of each channel of uint8 (N, C, H, W), of pixels scaled to [0, 1].

    Four digits, from exact sums over MEASURED evenly spaced images: the same numbers on every machine.
    """
    some = images[np.linspace(0, len(images) - 1, min(MEASURED, len(images))).astype(int)]
    mean, std = [], []
    for channel in range(some.shape[1]):
        counts = np.bincount(some[:, channel].ravel(), minlength=256)
        levels = np.arange(256)
        total, first, second = (int((counts * levels**power).sum()) for power in (0, 1, 2))
        mean.append(round(first / total / 255, 4))
        deviation = max(0.0, second / total - (first / total) ** 2) ** 0.5 / 255
        std.append(max(round(deviation, 4), 1e-4))  # pictures of one colour are not divided by 0
    return tuple(mean), tuple(std)


def share_channels(parts: dict[str, LabelledImages]) -> dict[str, LabelledImages]:
    """Return the splits, a grey one as colour if the other is in colour."""
    most = max(part.images.shape[1] for part in parts.values())
    return {
        split: LabelledImages(np.repeat(p.images, most // p.images.shape[1], axis=1), p.labels)
        if p.images.shape[1] < most
        else p
        for split, p in parts.items()
    }


def require_folder(name: str, data_dir: Path | None) -> Path:
    """Return the folder of a data set that has no default; raise InvalidValue without one."""
    if data_dir is None or not data_dir.is_dir():
        raise InvalidValue(f"the data set {name} needs --data-dir: the folder that holds it")
    return data_dir


def _count(data: LabelledImages, classes: tuple[str, ...]) -> list[int]:
    return np.bincount(data.labels, minlength=len(classes)).tolist()
