"""Fashion-MNIST (Xiao et al., 2017, arXiv:1708.07747): grey 28x28 pictures of ten kinds of clothes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from tasks.datasets.dataset import Augmentation, Dataset, LabelledImages
from tasks.datasets.formats.decoded_cache import open_cached_arrays
from tasks.datasets.formats.idx import read_idx_split
from tasks.datasets.formats.parquet import read_class_names, read_parquet
from tasks.datasets.formats.shards import find_whole_copy
from tasks.datasets.identity import check_brightness, check_counts
from tasks.datasets.sources import DEFAULT_DATA_DIR
from tasks.errors import DatasetNotFound, InvalidValue

CLASSES = (
    "T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
HUB_NAMES = ("T - shirt / top", *CLASSES[1:])
"""What Hugging Face's copy calls them."""
IMAGES = {"train": 60_000, "test": 10_000}
PREFIX = {"train": "train", "test": "t10k"}
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package dataset-fashion-mnist puts the files."""
BELOW = (".", "raw", "FashionMNIST/raw", "fashion-mnist")
"""Folders below the given one that are looked into: torchvision's among them."""
HUB_FOLDERS = ("datasets--zalando-datasets--fashion_mnist", "datasets--fashion_mnist")


def load_fashion_mnist(data_dir: Path | None = None) -> Dataset:
    """Load Fashion-MNIST from `data_dir` (default ./data), or from where Debian's package puts it.

    Nothing is downloaded. Recognised are the four IDX files, gzipped or not, and Parquet or Arrow files of
    Hugging Face. Raises DatasetNotFound, and InvalidValue for damage, several copies, or another data set, such
    as MNIST.
    """
    folder = data_dir or DEFAULT_DATA_DIR
    source, named, parts = _read(folder)
    data = Dataset(
        name="fashion-mnist",
        train=parts["train"],
        held_out=parts["test"],
        classes=CLASSES,
        mean=(0.2860,),
        std=(0.3530,),
        augmentation=Augmentation(flip=True, translate=2),
        source=source,
    )
    remark = check_counts(data, IMAGES, "Fashion-MNIST")
    remark += "" if named else check_brightness(data, "Fashion-MNIST")
    return replace(data, source=source + remark)


Read = tuple[str, bool, dict[str, LabelledImages]]
"""Where the data were, whether their files name the classes, and both splits."""


def _read(folder: Path) -> Read:
    """Read the nearest form; what was given comes before Debian's files."""
    given = [folder / below for below in BELOW]
    found = _read_idx(given) or _read_shards(folder) or _read_idx([DEBIAN])
    if found:
        return found
    raise DatasetNotFound(
        f"Fashion-MNIST was not found in {folder} (looked for train-images-idx3-ubyte.gz and its three "
        f"companions, and for Parquet files), nor in {DEBIAN}: apt-get install dataset-fashion-mnist puts it there"
    )


def _read_idx(places: list[Path]) -> Read | None:
    """Read the IDX files of the first of these folders that has all four."""
    for place in places:
        found = {split: _find_idx(place, prefix) for split, prefix in PREFIX.items()}
        if all(found.values()):
            parts = {s: open_cached_arrays(files, read_idx_split) for s, files in found.items()}
            return f"IDX files in {place}", False, parts
    return None


def _find_idx(place: Path, prefix: str) -> list[Path]:
    """Find the file of the images and that of the labels, gzipped or not; [] unless both are there."""
    found = []
    for kind in ("images-idx3", "labels-idx1"):
        files = [place / f"{prefix}-{kind}-ubyte{suffix}" for suffix in ("", ".gz")]
        found += [file for file in files if file.is_file()][:1]
    return found if len(found) == 2 else []


def _read_shards(folder: Path) -> Read | None:
    copy = find_whole_copy(folder, HUB_FOLDERS)
    if copy is None:
        return None
    place, shards = copy
    names = read_class_names(shards["train"][0])
    classes = HUB_NAMES if names == HUB_NAMES else CLASSES
    read = partial(read_parquet, classes=classes, shape=(28, 28), title="Fashion-MNIST")
    parts = {
        s: open_cached_arrays(shards[s], read, classes=classes, shape=(28, 28)) for s in IMAGES
    }
    if parts["train"].images.shape[1] != 1:
        raise InvalidValue(f"{place} is not Fashion-MNIST: its pictures are in colour")
    return f"Hugging Face Parquet in {place}", names is not None, parts
