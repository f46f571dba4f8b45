"""Images in FFCV .beton files, read by ffcv.Loader."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty

import numpy as np
import torch
from torch import Tensor

from tasks.datasets.dataset import Dataset, LabelledImages
from tasks.datasets.formats.beton_file import ensure_beton
from tasks.datasets.formats.ffcv_import import (
    EpochIterator,
    IntDecoder,
    Loader,
    OrderOption,
    SimpleRGBImageDecoder,
    Squeeze,
    ToTensor,
    ToTorchImage,
)
from tasks.datasets.splits import Batch
from tasks.errors import InvalidValue

READ_BATCH = 1000


class FFCVSource:
    """The training images behind ffcv.Loader; see `tasks.datasets.splits.Source`.

    One loader serves every order and batch size, so that its pipeline is compiled once. One thread
    decodes ahead. Decoding is a copy of 3 KB: over a million images a second, more than a model needs.
    """

    name = "ffcv"

    def __init__(self, dataset: Dataset, device: torch.device) -> None:
        self.device = device
        self._loader = _open(ensure_beton(dataset), _RawDecoder())

    def read(self, order: Tensor, batch_size: int) -> Iterator[Batch]:
        """See `Source.read`; raises IndexError for an index outside the data."""
        count = self._loader.reader.num_samples
        indices = order.cpu().numpy()
        # The compiled code checks nothing: a wrong index would read arbitrary memory.
        if len(indices) and not 0 <= indices.min() <= indices.max() < count:
            raise IndexError(f"an index is outside the {count} images")
        epoch = _epoch(self._loader, indices.astype(np.uint64), batch_size)
        try:
            for images, labels in epoch:
                # Copies: the loader writes its next batches into the same memory.
                yield images.to(self.device, copy=True), labels.to(self.device, copy=True)
        finally:
            _close(epoch)


def read_beton(files: list[Path]) -> LabelledImages:
    """Read .beton files with the fields of FFCV's tutorial: raw or JPEG 'image', int 'label'.

    Raises InvalidValue for a damaged file, other fields, or images of several sizes.
    """
    images, labels = [], []
    for file in files:
        try:
            loader = _open(file, SimpleRGBImageDecoder())
            if len(loader.reader.alloc_table) < loader.reader.num_samples:
                raise ValueError("the file is truncated")
        except Exception as error:  # ffcv has no common class of errors
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
    """Copy raw images of the mapped file into `destination` uint8 (B, H, W, 3). numba compiles this."""
    file = storage_state[0]
    for position in range(len(batch_indices)):
        target = destination[position].reshape(-1)
        start = metadata[batch_indices[position]]["data_ptr"]
        target[:] = file[start : start + target.size]
    return destination[: len(batch_indices)]


def _open(path: Path, decoder: SimpleRGBImageDecoder) -> Loader:
    """Open a loader over the whole file in its order: batches uint8 (B, 3, H, W) and int64 (B,)."""
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
    """Start reading `indices` (uint64) in their order; earlier epochs of the loader continue."""
    loader.batch_size = batch_size
    loader.indices = loader.traversal_order.indices = loader.first_traversal_order = indices
    return iter(loader)


def _close(epoch: EpochIterator) -> None:
    """End the thread of an epoch that may not be exhausted; ffcv's own close leaves it waiting."""
    epoch.iter_ixes = iter(())
    epoch.close()
    while epoch.is_alive():
        with suppress(Empty):
            epoch.output_queue.get(
                timeout=0.01
            )  # makes room, so that the thread can run to its end
    epoch.join()
