"""The IDX files of MNIST (LeCun et al., 1998) and of its followers, plain or gzipped."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from tasks.datasets.dataset import LabelledImages
from tasks.errors import InvalidValue

UNSIGNED_BYTES = 8
"""The type of the values, in the third byte."""


def read_idx_split(files: list[Path]) -> LabelledImages:
    """Read [images, labels] of a split: images uint8 (N, 1, H, W), labels int64 (N,); raise InvalidValue."""
    images, labels = (read_idx(file) for file in files)
    if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
        raise InvalidValue(
            f"{files[0]} and {files[1]} are no images with their labels: {images.shape} and {labels.shape}"
        )
    return LabelledImages(images[:, None], labels.astype(np.int64))


def read_idx(file: Path) -> np.ndarray:
    """Read one file as uint8; its fourth byte is the rank, then come big-endian sizes. Raises InvalidValue."""
    try:
        content = file.read_bytes()
        if file.suffix == ".gz":
            content = gzip.decompress(content)
        kind, rank = content[2], content[3]
        sizes = np.frombuffer(content, ">i4", count=rank, offset=4).tolist()
        start = 4 + 4 * rank
        if content[:2] != b"\0\0" or kind != UNSIGNED_BYTES:
            raise ValueError("it does not begin as an IDX file of bytes")
        if len(content) - start != math.prod(sizes):
            raise ValueError(f"{len(content) - start} bytes instead of {math.prod(sizes)}")
        return np.frombuffer(content, np.uint8, offset=start).reshape(sizes)
    except (OSError, ValueError, IndexError, EOFError, zlib.error) as error:
        raise InvalidValue(f"{file} cannot be read as an IDX file: {error}") from error
