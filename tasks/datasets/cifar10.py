"""CIFAR-10 (Krizhevsky, 2009) in its usual forms: torchvision's folder, Parquet files, .beton files."""

from __future__ import annotations

import io
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from filelock import FileLock

from tasks.datasets.dataset import Augmentation, Dataset, LabelledImages
from tasks.datasets.formats.decoded_cache import open_cached_arrays
from tasks.datasets.sources import DEFAULT_DATA_DIR
from tasks.errors import DatasetNotFound, InvalidValue

CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
SHAPE = (3, 32, 32)
IMAGES = {"train": 50_000, "test": 10_000}
TORCHVISION_FOLDER = "cifar-10-batches-py"

SILENCE_SECONDS = 20.0
"""Longest silence of the server during the download of CIFAR-10."""


def load_cifar10(data_dir: Path | None = None) -> Dataset:
    """Load CIFAR-10 from `data_dir` (default ./data), or download it there by torchvision.

    Three forms are recognised: Parquet files in the layout of Hugging Face, FFCV .beton files, and
    torchvision's folder. Raises DatasetNotFound, which tells what was tried. Raises InvalidValue for
    damaged files, files of another data set, and several copies.
    """
    folder = data_dir or DEFAULT_DATA_DIR
    parquet = _parquet_files(folder)
    betons = {s: sorted(folder.glob(f"*{s}*.beton")) for s in ("train", "test")}
    if all(parquet.values()):
        source = f"Hugging Face Parquet in {folder}"
        parts = {s: open_cached_arrays(files, _read_parquet) for s, files in parquet.items()}
    elif all(betons.values()):
        from tasks.datasets.formats.beton import read_beton

        source = f"FFCV .beton files in {folder}"
        for split, files in betons.items():
            if len(files) > 1:
                raise InvalidValue(
                    f"--data-dir {folder}: there are several {split} files, of which one must be "
                    f"chosen: {', '.join(file.name for file in files)}"
                )
        parts = {s: open_cached_arrays(files, read_beton) for s, files in betons.items()}
    else:
        source = f"torchvision's {TORCHVISION_FOLDER} in {folder}"
        parts = _from_torchvision(folder)
    for split, data in parts.items():
        _check(data, f"the {split} split of {source}")
        if len(data) != IMAGES[split]:
            source += f"; of CIFAR-10's {IMAGES[split]:,} {split} images only {len(data):,}"
    return Dataset(
        name="cifar10",
        train=parts["train"],
        held_out=parts["test"],
        classes=CLASSES,
        mean=(0.4914, 0.4822, 0.4465),
        std=(0.2470, 0.2435, 0.2616),
        augmentation=Augmentation(flip=True, translate=2),
        source=source,
    )


def _parquet_files(folder: Path) -> dict[str, list[Path]]:
    """Find the Parquet files of each split, in one folder: a copy in a subfolder would double the data.

    Among several folders with both splits, the topmost is used. Raises InvalidValue if two of them
    are equally high.
    """
    found = {s: sorted(folder.glob(f"**/{s}*.parquet")) for s in ("train", "test")}
    homes = {s: {file.parent for file in files} for s, files in found.items()}
    both = homes["train"] & homes["test"]
    for split, places in homes.items():
        top = min((len(place.parts) for place in both or places), default=0)
        nearest = sorted(p for p in both or places if len(p.parts) == top)
        if len(nearest) > 1:
            raise InvalidValue(
                f"--data-dir {folder}: {split}*.parquet is in several folders, of which one must be "
                f"chosen: {', '.join(map(str, nearest))}"
            )
        found[split] = [file for file in found[split] if file.parent in nearest]
    return found


def _check(data: LabelledImages, what: str) -> None:
    """Raise InvalidValue unless the images and labels can be CIFAR-10's."""
    shape = data.images.shape[1:]
    if shape != SHAPE:
        raise InvalidValue(f"{what} is not CIFAR-10: its images are {shape}, not {SHAPE}")
    low, high = data.labels.min(initial=0), data.labels.max(initial=0)
    if not 0 <= low <= high < len(CLASSES):
        raise InvalidValue(f"{what} is not CIFAR-10: its labels are {low}..{high}, not 0..9")


def _read_parquet(files: list[Path]) -> LabelledImages:
    images, labels = [], []
    for file in files:
        try:
            pictures, classes = _decode(file)
        except Exception as error:  # pyarrow and pillow have no common class of errors
            raise InvalidValue(
                f"{file} cannot be read as Parquet with columns 'img' or 'image', and 'label': {error}"
            ) from error
        images += pictures
        labels.append(classes)
    return LabelledImages(np.stack(images), np.concatenate(labels).astype(np.int64))


def _decode(file: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """Decode one Parquet file; return its images uint8 (3, 32, 32) and its labels."""
    import pyarrow.parquet as pq
    from PIL import Image

    table = pq.read_table(file)
    pictures = table.column("img" if "img" in table.column_names else "image").to_pylist()
    pixels = [np.asarray(Image.open(io.BytesIO(p["bytes"])).convert("RGB")) for p in pictures]
    images = [p.transpose(2, 0, 1) for p in pixels]
    others = {image.shape for image in images} - {SHAPE}
    if others:  # images of several sizes cannot be stacked
        raise ValueError(f"not CIFAR-10: images of {others.pop()}, not {SHAPE}")
    return images, table.column("label").to_numpy()


def _from_torchvision(folder: Path) -> dict[str, LabelledImages]:
    batches = folder / TORCHVISION_FOLDER
    if not batches.is_dir():
        _download(folder)
    files = {"train": [batches / f"data_batch_{n}" for n in range(1, 6)]}
    files["test"] = [batches / "test_batch"]
    try:
        return {
            split: open_cached_arrays(paths, _read_torchvision) for split, paths in files.items()
        }
    except (OSError, RuntimeError) as error:
        raise InvalidValue(
            f"{batches} is incomplete or damaged ({error}); delete it to have it downloaded again, "
            "or give --data-dir another folder"
        ) from error


def _read_torchvision(files: list[Path]) -> LabelledImages:
    from torchvision.datasets import CIFAR10

    data = CIFAR10(str(files[0].parent.parent), train=files[0].name != "test_batch")
    return LabelledImages(data.data.transpose(0, 3, 1, 2), np.asarray(data.targets, np.int64))


@contextmanager
def _patience(seconds: float) -> Iterator[None]:
    """Limit the silence of sockets opened in the block; torchvision sets no limit."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _download(folder: Path) -> None:
    """Download torchvision's folder, whole or not at all; one of several processes does."""
    from torchvision.datasets import CIFAR10

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".download.lock"), TemporaryDirectory(dir=folder) as partial:
            if not (folder / TORCHVISION_FOLDER).is_dir():
                logging.getLogger(__name__).warning("downloading CIFAR-10 into %s …", folder)
                with _patience(SILENCE_SECONDS):
                    CIFAR10(partial, download=True)
                os.replace(Path(partial, TORCHVISION_FOLDER), folder / TORCHVISION_FOLDER)
    except Exception as error:
        raise DatasetNotFound(
            f"CIFAR-10 was not found in {folder} (looked for Parquet files train*.parquet and "
            f"test*.parquet, .beton files, and the folder {TORCHVISION_FOLDER}) and could not be "
            f"downloaded ({type(error).__name__}); give --data-dir a folder that holds one of them"
        ) from error
