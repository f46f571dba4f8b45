"""A split is a set of indices into a source of images. All other code reads its batches."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from tasks.datasets.dataset import Augmentation, Dataset, LabelledImages

Batch = tuple[Tensor, Tensor]
EVALUATION_BATCH = {"cpu": 250, "cuda": 1000}
"""Batch size by device type: a CPU is not faster with more, and its process keeps the memory."""


class Source(Protocol):
    """Random access to labelled images, on a device."""

    name: str
    """Name of the loader, as in `--loader`."""
    device: torch.device

    def read(self, order: Tensor, batch_size: int) -> Iterator[Batch]:
        """Yield batches of uint8 images (B, C, H, W) and int64 labels (B,), exactly in `order` (int64)."""
        ...


class ResidentSource:
    """The images as one uint8 tensor on the device (on a CPU: the memory-mapped file itself)."""

    name = "resident"

    def __init__(self, data: LabelledImages, device: torch.device) -> None:
        self.device = device
        self._images = torch.from_numpy(data.images).to(device)
        self._labels = torch.from_numpy(data.labels).to(device)

    def read(self, order: Tensor, batch_size: int) -> Iterator[Batch]:
        """See `Source.read`."""
        for chunk in send_to_device(order, self.device).split(batch_size):
            yield self._images[chunk], self._labels[chunk]


class Split:
    """Indices over a source, read as normalised batches; `retain` and `forget` are two of these.

    Orders and augmentations are drawn from the caller's generator (on the CPU) and applied here,
    so every source gives the same batches for the same seed.
    """

    def __init__(self, source: Source, indices: Tensor, dataset: Dataset) -> None:
        self._source, self.indices = source, indices
        self.augmentation = dataset.augmentation
        self.classes = len(dataset.classes)
        mean, std = (torch.tensor(v).view(1, -1, 1, 1) for v in (dataset.mean, dataset.std))
        self._scale = (1 / (255 * std)).to(source.device)
        self._shift = (-mean / std).to(source.device)

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def device(self) -> torch.device:
        """Device of the batches."""
        return self._source.device

    @property
    def pixel_range(self) -> tuple[Tensor, Tensor]:
        """The normalised values (1, C, 1, 1) of black and of white: no image has lower or higher ones."""
        return self._shift, 255 * self._scale + self._shift

    def steps(self, batch_size: int, share: float = 1.0) -> int:
        """Return the number of batches of `batches`."""
        return math.ceil(self._count(share) / batch_size)

    def batches(
        self, batch_size: int, rng: torch.Generator, *, share: float = 1.0, augment: bool = True
    ) -> Iterator[Batch]:
        """Yield shuffled (images float32 (B, C, H, W), labels int64 (B,)): one pass over a random `share`.

        No example is dropped: instead of a tiny last batch, the last two batches share their examples.
        """
        order = torch.randperm(len(self), generator=rng)[: self._count(share)]
        size = math.ceil(len(order) / self.steps(batch_size, share))
        for images, labels in self._evened_out(self.indices[order], size):
            if augment:
                images = augment_images(images, self.augmentation, rng)
            yield self._normalised(images), labels

    def paired(
        self, other: Split, batch_size: int, rng: torch.Generator, *, share: float = 1.0
    ) -> Iterator[tuple[Batch, Batch]]:
        """Yield each of `batches` with a batch of `other`, which starts again when it is exhausted."""
        others: Iterator[Batch] = iter(())
        for batch in self.batches(batch_size, rng, share=share):
            beside = next(others, None)
            if beside is None:
                others = other.batches(batch_size, rng)
                beside = next(others)
            yield batch, beside

    def ordered(self, batch_size: int | None = None) -> Iterator[Batch]:
        """Yield batches of every example once, in index order, without augmentation: for evaluation."""
        batch_size = batch_size or EVALUATION_BATCH[self.device.type]
        for images, labels in self._source.read(self.indices, batch_size):
            yield self._normalised(images), labels

    def sample(self, count: int, rng: torch.Generator) -> Tensor:
        """Draw up to `count` normalised images without replacement, not augmented."""
        order = torch.randperm(len(self), generator=rng)[:count]
        return torch.cat(
            [self._normalised(x) for x, _ in self._source.read(self.indices[order], count)]
        )

    def subset(self, count: int, rng: torch.Generator) -> Split:
        """Draw a fixed random part with `count` examples (all examples if there are fewer)."""
        chosen = torch.randperm(len(self), generator=rng)[:count].sort().values
        return self._with(self.indices[chosen])

    def at(self, positions: Tensor) -> Split:
        """Return the examples at these positions (K,) of the split, as a split."""
        return self._with(self.indices[positions])

    def read_from(self, source: Source) -> Split:
        """Return the same indices over another source: other versions of the same images."""
        part = self._with(self.indices)
        part._source = source
        return part

    def labels(self) -> Tensor:
        """Read the label (N,) of every example, in index order."""
        size = EVALUATION_BATCH[self.device.type]
        return torch.cat([labels for _, labels in self._source.read(self.indices, size)])

    def take(self, positions: Tensor) -> Batch:
        """Read the examples at these positions (N,) of the split, normalised and not augmented."""
        images, labels = zip(
            *self._source.read(self.indices[positions.cpu()], len(positions)), strict=True
        )
        return self._normalised(torch.cat(images)), torch.cat(labels)

    def select(self, positions: Tensor) -> Split:
        """Return the examples at these positions (N,) of the split, in this order."""
        return self._with(self.indices[positions.cpu()])

    def joined(self, other: Split) -> Split:
        """Return the examples of both splits; `other` must have the same source."""
        return self._with(torch.cat([self.indices, other.indices]))

    def _with(self, indices: Tensor) -> Split:
        part = object.__new__(Split)
        part.__dict__.update(self.__dict__)
        part.indices = indices
        return part

    def _evened_out(self, order: Tensor, size: int) -> Iterator[Batch]:
        """Yield batches of `size`; the last two are equal in size if the last had less than half."""
        last = len(order) % size
        tail = size + last if 0 < last < size / 2 else 0
        yield from self._source.read(order[: len(order) - tail], size)
        if tail:
            yield from self._source.read(order[-tail:], math.ceil(tail / 2))

    def _count(self, share: float) -> int:
        return max(1, round(len(self) * share))

    def _normalised(self, images: Tensor) -> Tensor:
        pixels = images.float() * self._scale + self._shift
        return pixels.to(memory_format=torch.channels_last)


def send_to_device(drawn: Tensor, device: torch.device) -> Tensor:
    """Copy random numbers from the CPU to the device; do not wait for a GPU."""
    if device.type != "cuda":
        return drawn.to(device)
    return drawn.pin_memory().to(device, non_blocking=True)


def augment_images(images: Tensor, how: Augmentation, rng: torch.Generator) -> Tensor:
    """Flip and translate a batch (B, C, H, W) of any dtype, each image by its own draw from `rng`."""
    count, device = len(images), images.device
    if how.flip:
        mirror = send_to_device(torch.rand(count, generator=rng) < 0.5, device)
        images = torch.where(mirror.view(-1, 1, 1, 1), images.flip(3), images)
    if how.translate:
        reach = how.translate
        shift = send_to_device(torch.randint(0, 2 * reach + 1, (2, count), generator=rng), device)
        padded = F.pad(images.float(), (reach,) * 4, mode="reflect").to(images.dtype)
        windows = padded.unfold(2, images.shape[2], 1).unfold(3, images.shape[3], 1)
        images = windows[torch.arange(count, device=device), :, shift[0], shift[1]]
    return images
