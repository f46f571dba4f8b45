"""Any folder of pictures: train/CLASS and test/CLASS, or one folder with a folder for each class."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from tasks.datasets.dataset import Dataset, LabelledImages
from tasks.datasets.formats.decoded_cache import open_cached_arrays
from tasks.datasets.formats.pictures import decode_pictures
from tasks.datasets.formats.shards import HELD_OUT, SPLITS
from tasks.datasets.options import AS_THEY_ARE, DataOptions
from tasks.datasets.own.build import build_own, require_folder, share_channels
from tasks.errors import InvalidValue

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff", ".webp")

Pictures = dict[str, list[Path]]
"""The pictures of each class."""


def load_image_folder(data_dir: Path | None, options: DataOptions = AS_THEY_ARE) -> Dataset:
    """Load the pictures below `data_dir`; the classes are the names of their folders.

    The splits are folders train/ and test/ (or validation/), with a folder for each class in both. Without
    them, a seeded quarter of each class is held out. Pictures of many sizes need `options.image_size`. Raises
    InvalidValue for a folder of another kind, classes that differ between the splits, and damaged pictures.
    """
    options.refuse("folder", "image_size")
    folder = require_folder("folder", data_dir)
    splits = _find_splits(folder)
    found = {split: _list_pictures(place) for split, place in splits.items()}
    classes = tuple(sorted({name for pictures in found.values() for name in pictures}))
    for split, pictures in found.items():
        lacking = [name for name in classes if name not in pictures]
        if lacking:
            raise InvalidValue(
                f"--data-dir {folder}: {splits[split]} has no pictures of {', '.join(lacking)[:200]}"
            )
    parts = {
        split: _read(pictures, classes, options.image_size) for split, pictures in found.items()
    }
    return build_own("folder", share_channels(parts), classes, f"pictures in {folder}")


def _find_splits(folder: Path) -> dict[str, Path]:
    """Find the folders of the splits: those called so, or `folder` itself as the only one."""
    named = {SPLITS[p.name.lower()]: p for p in _folders(folder) if p.name.lower() in SPLITS}
    if not named:
        return {"train": folder}
    held_out = next((named[split] for split in HELD_OUT if split in named), None)
    if "train" not in named or held_out is None:
        raise InvalidValue(
            f"--data-dir {folder}: it holds {', '.join(p.name for p in named.values())}, but of train and test "
            "both are needed, or neither"
        )
    return {"train": named["train"], "held-out": held_out}


def _list_pictures(place: Path) -> Pictures:
    """List the pictures below each folder of `place`, sorted: the order of a data set is part of it."""
    found: Pictures = {}
    for of_class in _folders(place):
        files = (p for p in of_class.rglob("*") if p.suffix.lower() in SUFFIXES)
        pictures = sorted(p for p in files if not p.name.startswith("."))
        if pictures:
            found[of_class.name] = pictures
    if not found:
        raise InvalidValue(
            f"--data-dir {place}: it has no folders with pictures in them, one for each class "
            f"({', '.join(SUFFIXES)})"
        )
    return found


def _folders(place: Path) -> list[Path]:
    return sorted(p for p in place.iterdir() if p.is_dir() and not p.name.startswith("."))


def _read(pictures: Pictures, classes: tuple[str, ...], side: int | None) -> LabelledImages:
    """Read the pictures of one split, scaled to `side` if it is given, from the decoded copy."""
    files = [file for name in classes for file in pictures[name]]
    counts = [len(pictures[name]) for name in classes]
    read = partial(_decode, labels=np.repeat(np.arange(len(classes)), counts), side=side)
    return open_cached_arrays(files, read, classes=classes, side=side)


def _decode(files: list[Path], labels: np.ndarray, side: int | None) -> LabelledImages:
    images = decode_pictures(((str(file), file) for file in files), side=side)
    return LabelledImages(images, labels.astype(np.int64))
