"""CIFAR-10 (Krizhevsky, 2009) in its usual forms: Parquet files, .beton files, torchvision's folder, its archive."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from filelock import FileLock

from tasks.datasets.dataset import Augmentation, Dataset, LabelledImages
from tasks.datasets.formats.decoded_cache import open_cached_arrays
from tasks.datasets.formats.parquet import read_class_names, read_parquet
from tasks.datasets.formats.pickles import check_pickled_names, open_pickles
from tasks.datasets.formats.shards import Splits, find_shards
from tasks.datasets.identity import check_brightness, check_counts
from tasks.datasets.sources import DEFAULT_DATA_DIR, hub_cache
from tasks.errors import DatasetNotFound, InvalidValue

CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
SHAPE = (3, 32, 32)
IMAGES = {"train": 50_000, "test": 10_000}
TORCHVISION_FOLDER = "cifar-10-batches-py"
ARCHIVE = "cifar-10-python.tar.gz"
"""What torchvision and people download."""
BATCHES = {"train": tuple(f"data_batch_{n}" for n in range(1, 6)), "test": ("test_batch",)}
HUB_FOLDERS = ("datasets--uoft-cs--cifar10", "datasets--cifar10")
"""Folders of CIFAR-10 in a cache of Hugging Face's hub."""

Parts = dict[str, LabelledImages]
Found = tuple[str, bool, Callable[[], Parts]]
"""Where the data are, whether their files name the classes, and what reads them."""

SILENCE_SECONDS = 20.0
"""Longest silence of the server during the download of CIFAR-10."""


def load_cifar10(data_dir: Path | None = None) -> Dataset:
    """Load CIFAR-10 from `data_dir` (default ./data), or download it there by torchvision.

    Recognised are Parquet and Arrow files of Hugging Face, FFCV .beton files, torchvision's folder, and the
    archive that it downloads. What lies directly in the folder comes before what lies below it. Classes go by
    their names, where files have them. Raises DatasetNotFound, which tells what was tried. Raises InvalidValue
    for damaged files, files of another data set, and several copies.
    """
    folder = data_dir or DEFAULT_DATA_DIR
    source, named, read = _find(folder) or _find_in_hub_cache() or _torchvision_in(folder)
    parts = read()
    data = Dataset(
        name="cifar10",
        train=parts["train"],
        held_out=parts["test"],
        classes=CLASSES,
        mean=(0.4914, 0.4822, 0.4465),
        std=(0.2470, 0.2435, 0.2616),
        augmentation=Augmentation(flip=True, translate=2),
        source=source,
    )
    for split, part in parts.items():
        _check(part, f"the {split} split of {source}")
    remark = check_counts(data, IMAGES, "CIFAR-10")
    remark += "" if named else check_brightness(data, "CIFAR-10")
    return replace(data, source=source + remark)


def _find(folder: Path) -> Found | None:
    """Find the nearest form of the data in a folder: where it is, whether it names classes, how to read it."""
    shards = find_shards(folder, deepest=0)
    betons = {split: sorted(folder.glob(f"*{split}*.beton")) for split in ("train", "test")}
    if not shards and all(betons.values()):
        return f"FFCV .beton files in {folder}", False, partial(_from_betons, folder, betons)
    if not shards and (folder / TORCHVISION_FOLDER).is_dir():
        return _torchvision_in(folder)
    if not shards and (folder / ARCHIVE).is_file():
        return f"{folder / ARCHIVE}", True, partial(_from_archive, folder / ARCHIVE)
    return _found_shards(folder, shards or find_shards(folder))


def _find_in_hub_cache() -> Found | None:
    """Find a copy that `datasets` or the hub's client once downloaded to this machine."""
    for repository in HUB_FOLDERS:
        folder = hub_cache() / repository
        found = _found_shards(folder, find_shards(folder))
        if found:
            return found
    return None


def _torchvision_in(folder: Path) -> Found:
    """Return torchvision's form, which reading downloads where it is absent."""
    where = f"torchvision's {TORCHVISION_FOLDER} in {folder}"
    return where, True, partial(_from_torchvision, folder)


def _found_shards(folder: Path, shards: Splits) -> Found | None:
    if not shards:
        return None
    if "test" not in shards:
        raise InvalidValue(
            f"--data-dir {folder} holds no test split of CIFAR-10, only {list(shards)}"
        )
    files = {split: shards[split] for split in ("train", "test")}
    named = all(read_class_names(file) for split in files.values() for file in split)
    return f"Hugging Face Parquet in {folder}", named, partial(_from_shards, files)


def _from_shards(files: Splits) -> Parts:
    read = partial(read_parquet, classes=CLASSES, shape=SHAPE[1:], colour=True, title="CIFAR-10")
    return {
        split: open_cached_arrays(paths, read, classes=CLASSES) for split, paths in files.items()
    }


def _from_betons(folder: Path, files: Splits) -> Parts:
    from tasks.datasets.formats.beton import read_beton

    for split, betons in files.items():
        if len(betons) > 1:
            raise InvalidValue(
                f"--data-dir {folder}: there are several {split} files, of which one must be "
                f"chosen: {', '.join(file.name for file in betons)}"
            )
    return {split: open_cached_arrays(betons, read_beton) for split, betons in files.items()}


def _from_archive(archive: Path) -> Parts:
    check_pickled_names(archive, "batches.meta", "label_names", CLASSES, "CIFAR-10")
    return open_pickles(archive, BATCHES, "labels")


def _check(data: LabelledImages, what: str) -> None:
    """Raise InvalidValue unless the images and labels can be CIFAR-10's."""
    shape = data.images.shape[1:]
    if shape != SHAPE:
        raise InvalidValue(f"{what} is not CIFAR-10: its images are {shape}, not {SHAPE}")
    low, high = data.labels.min(initial=0), data.labels.max(initial=0)
    if not 0 <= low <= high < len(CLASSES):
        raise InvalidValue(f"{what} is not CIFAR-10: its labels are {low}..{high}, not 0..9")


def _from_torchvision(folder: Path) -> dict[str, LabelledImages]:
    batches = folder / TORCHVISION_FOLDER
    if not batches.is_dir():
        _download(folder)
    files = {split: [batches / name for name in names] for split, names in BATCHES.items()}
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
        with FileLock(folder / ".download.lock"), TemporaryDirectory(dir=folder) as unfinished:
            if not (folder / TORCHVISION_FOLDER).is_dir():
                logging.getLogger(__name__).warning("downloading CIFAR-10 into %s …", folder)
                with _patience(SILENCE_SECONDS):
                    CIFAR10(unfinished, download=True)
                os.replace(Path(unfinished, TORCHVISION_FOLDER), folder / TORCHVISION_FOLDER)
    except Exception as error:
        raise DatasetNotFound(
            f"CIFAR-10 was not found in {folder} (looked for Parquet files train*.parquet and "
            f"test*.parquet, .beton files, and the folder {TORCHVISION_FOLDER}) and could not be "
            f"downloaded ({type(error).__name__}); give --data-dir a folder that holds one of them"
        ) from error
