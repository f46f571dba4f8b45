"""Whether data are what they are taken for: by the names of the classes, else by their brightness."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tasks.datasets.dataset import Dataset
from tasks.errors import InvalidValue

ENOUGH = 5_000
"""Images whose mean brightness tells data sets apart: it is off by .002 of white, ordinarily."""
TOLERANCE = 0.02
"""SVHN is .054 from CIFAR-10, MNIST .16 from Fashion-MNIST, KMNIST .09."""


def check_counts(data: Dataset, counts: Mapping[str, int], title: str) -> str:
    """Return a remark for each split with fewer images than `counts`; raise InvalidValue for more."""
    remark = ""
    for split, part in (("train", data.train), ("test", data.held_out)):
        if len(part) > counts[split]:
            raise InvalidValue(
                f"the {split} split of {data.source} is not {title}: it has {len(part):,} images, not "
                f"{counts[split]:,}"
            )
        if len(part) < counts[split]:
            remark += f"; of {title}'s {counts[split]:,} {split} images only {len(part):,}"
    return remark


def check_brightness(data: Dataset, title: str) -> str:
    """Return a remark if there are too few images to tell; raise InvalidValue for another data set's.

    For files that name no classes: the mean of each channel must be that of `title`, in `data.mean`.
    """
    images = data.train.images
    if len(images) < ENOUGH:
        return f"; its files name no classes, hence nothing says that it is {title}"
    mean = images.mean((0, 2, 3)) / 255
    if np.abs(mean - data.mean).max() > TOLERANCE:
        seen, known = (", ".join(f"{v:.3f}" for v in values) for values in (mean, data.mean))
        raise InvalidValue(
            f"{data.source} is not {title}: its train images have a mean of {seen}, not {known}, and its "
            "files name no classes"
        )
    return ""
