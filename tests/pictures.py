"""Small pictures in the forms of CIFAR-10, for the tests that read, damage or train on them."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
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


def encode_picture(image: np.ndarray, kind: str = "PNG") -> bytes:
    """Encode uint8 (3, H, W), or grey (1, H, W)."""
    buffer = io.BytesIO()
    pixels = image.transpose(1, 2, 0) if len(image) == 3 else image[0]
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def write_rows(
    path: Path,
    labels: Sequence[object],
    *,
    rows: Sequence[object] | None = None,
    column: str = "label",
    names: Sequence[str] | None = None,
    sizes: Sequence[tuple[int, int]] = ((32, 32),),
) -> Path:
    """Random pictures with any labels; `names` are noted as Hugging Face's ClassLabel has them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    if rows is None:
        shapes = [sizes[i % len(sizes)] for i in range(len(labels))]
        images = [rng.integers(0, 256, (3, *shape), dtype=np.uint8) for shape in shapes]
        rows = [{"bytes": encode_picture(image), "path": None} for image in images]
    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({"img": pa.array(rows, struct), column: pa.array(labels)})
    if names:
        features = {"img": {"_type": "Image"}, column: {"names": names, "_type": "ClassLabel"}}
        noted = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": noted})
    pq.write_table(table, path)
    return path


def small_cifar10(folder: Path, train: int = 600, test: int = 400, noise: int = 6) -> Path:
    """A folder in the layout of CIFAR-10 on Hugging Face: small bright squares, ten shades of them.

    Each pixel is brighter by up to `noise`.
    """
    rng = np.random.default_rng(0)
    for split, count in {"train": train, "test": test}.items():
        labels = np.arange(count) % 10
        shades = np.stack([labels, 10 - labels, labels * 0], axis=1) * ((250 - noise) // 10)
        images = shades[:, None, None, :] + rng.integers(0, noise, (count, 32, 32, 3))
        data = LabelledImages(images.astype(np.uint8).transpose(0, 3, 1, 2), labels)
        write_parquet(folder / f"{split}-00000-of-00001.parquet", data)
    return folder
