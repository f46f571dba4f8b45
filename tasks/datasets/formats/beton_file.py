"""The training images as an FFCV .beton: written once per machine, mapped by every process."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from multiprocessing import Value
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
from filelock import FileLock

from tasks.datasets.dataset import Dataset, LabelledImages
from tasks.datasets.formats.decoded_cache import machine_cache
from tasks.datasets.formats.ffcv_import import (
    DatasetWriter,
    IntField,
    MemoryAllocator,
    RGBImageField,
)


def ensure_beton(dataset: Dataset) -> Path:
    """Return the .beton file of the training images; write it if it is missing or damaged.

    The fields are raw RGB ('image') and an integer ('label'), which any FFCV program can read.
    """
    path = machine_cache() / "betons" / f"{dataset.fingerprint}.beton"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not _intact(path):
        with FileLock(path.with_suffix(".lock")):
            if not _intact(path):  # another process may have written it meanwhile
                _write(path, dataset.train)
    return path


def _write(path: Path, data: LabelledImages) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    fields = {"image": RGBImageField(write_mode="raw"), "label": IntField()}
    try:
        _InlineWriter(str(partial), fields).from_indexed_dataset(Pairs(data))
        digest = _digest(partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    partial.write_text(digest)
    os.replace(partial, _sidecar(path))


def _sidecar(path: Path) -> Path:
    return path.with_suffix(".sha256")


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _intact(path: Path) -> bool:
    """Tell whether the file is undamaged; reading it also fills the page cache."""
    try:
        return _sidecar(path).read_text() == _digest(path)
    except OSError:
        return False


class Pairs:
    """Samples in the form of ffcv's writer: image (H, W, 3) and label."""

    def __init__(self, data: LabelledImages) -> None:
        self._data = data

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        return self._data.images[index].transpose(1, 2, 0), int(self._data.labels[index])


class _InlineWriter(DatasetWriter):
    """ffcv's writer in one process. The original forks workers, and never stops waiting for a dead one."""

    def _write_common(
        self, num_samples: int, queue_content: Iterable, work: Callable, extra: tuple
    ) -> None:
        self.num_samples = num_samples
        self.prepare()
        todo: SimpleQueue[Any] = SimpleQueue()
        for chunk in (*queue_content, None):
            todo.put(chunk)
        allocator = MemoryAllocator(self.fname, self.data_region_start, self.page_size)
        done: SimpleQueue[Any] = SimpleQueue()
        shared = (todo, self.metadata_sm, self.metadata_type, self.fields, allocator)
        try:
            work(*shared, Value("Q", 0), done, *extra)
            self.finalize(done.get())
        finally:
            self.metadata_sm.close()
            self.metadata_sm.unlink()
