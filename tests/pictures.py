"""Small pictures in the forms of CIFAR-10, for the tests that read, damage or train on them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from tasks.datasets.dataset import LabelledImages


def pictures(count: int, seed: int) -> LabelledImages:
    """Random pictures as CIFAR-10 has them: every class occurs."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
    return LabelledImages(images, rng.permutation(np.arange(count) % 10))


def same(read: LabelledImages, written: LabelledImages) -> bool:
    """Whether both hold the same pixels and labels, in the same order and types."""
    assert read.images.dtype == np.uint8
    assert read.labels.dtype == np.int64
    return np.array_equal(read.images, written.images) and np.array_equal(
        read.labels, written.labels
    )


def write_parquet(path: Path, data: LabelledImages, column: str = "img") -> None:
    """As Hugging Face's hub has it: PNG bytes in a struct, and the label."""
    path.parent.mkdir(parents=True, exist_ok=True)
    encoded = []
    for image in data.images:
        buffer = io.BytesIO()
        Image.fromarray(image.transpose(1, 2, 0)).save(buffer, "PNG")
        encoded.append({"bytes": buffer.getvalue(), "path": None})
    pq.write_table(pa.table({column: encoded, "label": data.labels}), path)


def small_cifar10(folder: Path) -> Path:
    """A folder in the layout of CIFAR-10 on Hugging Face: small bright squares, ten shades of them."""
    rng = np.random.default_rng(0)
    for split, count in {"train": 600, "test": 400}.items():
        labels = np.arange(count) % 10
        shades = np.stack([25 * labels, 250 - 25 * labels, labels * 0], axis=1)
        images = shades[:, None, None, :] + rng.integers(0, 6, (count, 32, 32, 3))
        data = LabelledImages(images.astype(np.uint8).transpose(0, 3, 1, 2), labels)
        write_parquet(folder / f"{split}-00000-of-00001.parquet", data)
    return folder
