"""scikit-learn's digits: 1,797 real 8x8 scans, embedded, so it works offline in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tasks.datasets.dataset import Augmentation, Dataset, LabelledImages

HELD_OUT_EVERY = 3
"""Every third scan is held out: 599 of 1,797, in the file's own order, which mixes the classes."""


def load_digits(data_dir: Path | None = None) -> Dataset:
    """The embedded data set (Alpaydin and Kaynak, 1998); `data_dir` is not needed."""
    from sklearn import datasets

    bunch = datasets.load_digits()
    images = (bunch.images * 15).astype(np.uint8)[:, None]
    labels = bunch.target.astype(np.int64)
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
