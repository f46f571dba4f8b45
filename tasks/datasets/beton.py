"""The training images as an FFCV .beton: written once per machine, memory-mapped by every process."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import Value
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from tasks.datasets.dataset import Dataset, LabelledImages
from tasks.datasets.ffcv_import import (
    DatasetWriter,
    EpochIterator,
    IntDecoder,
    IntField,
    Loader,
    MemoryAllocator,
    OrderOption,
    RGBImageField,
    SimpleRGBImageDecoder,
    Squeeze,
    ToTensor,
    ToTorchImage,
)
from tasks.datasets.sources import machine_cache
from tasks.datasets.splits import Batch
from tasks.search_space import InvalidValue

READ_BATCH = 1000


class FFCVSource:
    """The training images behind ffcv.Loader; see `tasks.datasets.splits.Source`.

    One loader serves every order and batch size, so that its pipeline is compiled once. One thread
    decodes ahead: a copy of 3 KB, at over a million images a second, more than any model takes.
    """

    def __init__(self, dataset: Dataset, device: torch.device) -> None:
        self.device = device
        self._loader = _open(beton_of(dataset), _RawDecoder())

    def read(self, order: Tensor, batch_size: int) -> Iterator[Batch]:
        """See `Source.read`; raises IndexError for an index outside the data."""
        count = self._loader.reader.num_samples
        indices = order.cpu().numpy()
        # The compiled code checks nothing: a wrong index would read another process's worth.
        if len(indices) and not 0 <= indices.min() <= indices.max() < count:
            raise IndexError(f"an index is outside the {count} images")
        epoch = _epoch(self._loader, indices.astype(np.uint64), batch_size)
        try:
            for images, labels in epoch:
                # Copies: the loader writes its next batches into the same memory.
                yield images.to(self.device, copy=True), labels.to(self.device, copy=True)
        finally:
            _close(epoch)


def beton_of(dataset: Dataset) -> Path:
    """The .beton of the training images, written first if this machine has none or a damaged one.

    The images are raw RGB ('image') with an integer ('label'): a file that any FFCV program reads.
    """
    path = machine_cache() / "betons" / f"{dataset.fingerprint}.beton"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not _intact(path):
        with FileLock(path.with_suffix(".lock")):
            if not _intact(path):  # another process may have written it meanwhile
                _write(path, dataset.train)
    return path


def read_beton(files: list[Path]) -> LabelledImages:
    """The images of .beton files as FFCV's tutorial writes them: raw or JPEG 'image', int 'label'.

    Raises InvalidValue for a file that is damaged, has other fields, or images of several sizes.
    """
    images, labels = [], []
    for file in files:
        try:
            loader = _open(file, SimpleRGBImageDecoder())
            if len(loader.reader.alloc_table) < loader.reader.num_samples:
                raise ValueError("it is truncated")
        except Exception as error:  # ffcv raises whatever it stumbles over
            raise InvalidValue(
                f"{file} cannot be read as an FFCV file with fields 'image' and 'label': {error}"
            ) from error
        for batch, targets in loader:
            images.append(batch.numpy().copy(order="C"))
            labels.append(targets.numpy().copy())
    return LabelledImages(np.concatenate(images), np.concatenate(labels))


class _RawDecoder(SimpleRGBImageDecoder):
    """Copies raw pixels. ffcv's own decoder calls C by pointer, which numba cannot cache."""

    def generate_code(self) -> Callable:
        return _copy_raw


def _copy_raw(batch_indices, destination, metadata, storage_state):  # type: ignore[no-untyped-def]
    """Compiled: raw images of the mapped file into `destination` uint8 (B, H, W, 3)."""
    file = storage_state[0]
    for position in range(len(batch_indices)):
        target = destination[position].reshape(-1)
        start = metadata[batch_indices[position]]["data_ptr"]
        target[:] = file[start : start + target.size]
    return destination[: len(batch_indices)]


def _open(path: Path, decoder: SimpleRGBImageDecoder) -> Loader:
    """A loader over the whole file in its order: batches uint8 (B, 3, H, W) and int64 (B,)."""
    return Loader(
        str(path),
        batch_size=READ_BATCH,
        num_workers=1,
        os_cache=True,
        order=OrderOption.SEQUENTIAL,
        drop_last=False,
        pipelines={
            "image": [decoder, ToTensor(), ToTorchImage()],
            "label": [IntDecoder(), ToTensor(), Squeeze(1)],
        },
    )


def _epoch(loader: Loader, indices: np.ndarray, batch_size: int) -> EpochIterator:
    """Start reading `indices` (uint64) in their order; earlier epochs of the loader go on."""
    loader.batch_size = batch_size
    loader.indices = loader.traversal_order.indices = loader.first_traversal_order = indices
    return iter(loader)


def _close(epoch: EpochIterator) -> None:
    """End the thread of an epoch that may not be exhausted (ffcv's close leaves it waiting)."""
    epoch.iter_ixes = iter(())
    epoch.close()
    while epoch.is_alive():
        try:
            epoch.output_queue.get(timeout=0.01)  # makes room, so that the thread can go on to end
        except Empty:
            pass
    epoch.join()


def _write(path: Path, data: LabelledImages) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    fields = {"image": RGBImageField(write_mode="raw"), "label": IntField()}
    try:
        _InlineWriter(str(partial), fields).from_indexed_dataset(_Pairs(data))
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
    """Whether the file is what was written; reading it also brings it into the page cache."""
    try:
        return _sidecar(path).read_text() == _digest(path)
    except OSError:
        return False


class _Pairs:
    """Samples as ffcv's writer takes them: image (H, W, 3) and label."""

    def __init__(self, data: LabelledImages) -> None:
        self._data = data

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        return self._data.images[index].transpose(1, 2, 0), int(self._data.labels[index])


class _InlineWriter(DatasetWriter):
    """ffcv's writer in this process: it forks workers, and waits for ever for one that has died."""

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
