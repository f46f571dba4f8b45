"""scikit-learn's digits: 1,797 real 8x8 scans, which come with the package and need no download."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from tasks.datasets.dataset import Augmentation, Dataset, LabelledImages
from tasks.errors import DatasetNotFound

HELD_OUT_EVERY = 3
"""Every third scan is held out: 599 of 1,797, in the file's own order, which mixes the classes."""


def load_digits(data_dir: Path | None = None) -> Dataset:
    """Load the embedded data set (Alpaydin and Kaynak, 1998); `data_dir` is ignored."""
    table = np.loadtxt(find_digits_file(), delimiter=",", dtype=np.int64)
    images = (table[:, :-1] * 15).astype(np.uint8).reshape(-1, 1, 8, 8)
    labels = table[:, -1]
    held_out = np.arange(len(labels)) % HELD_OUT_EVERY == 0
    return Dataset(
        name="digits",
        train=LabelledImages(images[~held_out], labels[~held_out]),
        held_out=LabelledImages(images[held_out], labels[held_out]),
        classes=tuple(str(digit) for digit in range(10)),
        mean=(0.287,),
        std=(0.354,),
        augmentation=Augmentation(translate=1),
        source="embedded in scikit-learn",
    )


def find_digits_file() -> Path:
    """Find the file of `sklearn.datasets.load_digits` without importing scikit-learn, which takes seconds."""
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        raise DatasetNotFound("the digits come with scikit-learn, which is not installed")
    return Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz"
