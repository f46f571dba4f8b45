"""A split is a set of indices over a source of images; everything downstream sees batches of it."""

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
"""By device type: a CPU is no faster with more, and its process keeps the memory that they take."""


class Source(Protocol):
    """Random access to labelled images, on a device."""

    name: str
    """As `--loader` spells it."""
    device: torch.device

    def read(self, order: Tensor, batch_size: int) -> Iterator[Batch]:
        """Batches of uint8 images (B, C, H, W) and int64 labels (B,), exactly in `order` (int64)."""
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
        for chunk in sent(order, self.device).split(batch_size):
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
        """Where the batches are."""
        return self._source.device

    def steps(self, batch_size: int, share: float = 1.0) -> int:
        """How many batches `batches` gives."""
        return math.ceil(self._count(share) / batch_size)

    def batches(
        self, batch_size: int, rng: torch.Generator, *, share: float = 1.0, augment: bool = True
    ) -> Iterator[Batch]:
        """Shuffled (images float32 (B, C, H, W), labels int64 (B,)) of one pass over a random `share`.

        No example is dropped: the last batches are evened out instead of leaving a tiny one.
        """
        order = torch.randperm(len(self), generator=rng)[: self._count(share)]
        size = math.ceil(len(order) / self.steps(batch_size, share))
        for images, labels in self._evened_out(self.indices[order], size):
            if augment:
                images = augmented(images, self.augmentation, rng)
            yield self._normalised(images), labels

    def paired(
        self, other: Split, batch_size: int, rng: torch.Generator, *, share: float = 1.0
    ) -> Iterator[tuple[Batch, Batch]]:
        """`batches`, each beside one of `other`, which starts again whenever it is used up."""
        others: Iterator[Batch] = iter(())
        for batch in self.batches(batch_size, rng, share=share):
            beside = next(others, None)
            if beside is None:
                others = other.batches(batch_size, rng)
                beside = next(others)
            yield batch, beside

    def ordered(self, batch_size: int | None = None) -> Iterator[Batch]:
        """Every example once, in index order, not augmented: for evaluation."""
        batch_size = batch_size or EVALUATION_BATCH[self.device.type]
        for images, labels in self._source.read(self.indices, batch_size):
            yield self._normalised(images), labels

    def sample(self, count: int, rng: torch.Generator) -> Tensor:
        """Up to `count` normalised images, not augmented, drawn without replacement."""
        order = torch.randperm(len(self), generator=rng)[:count]
        return torch.cat(
            [self._normalised(x) for x, _ in self._source.read(self.indices[order], count)]
        )

    def subset(self, count: int, rng: torch.Generator) -> Split:
        """A fixed random part with `count` examples (all of them if there are no more)."""
        chosen = torch.randperm(len(self), generator=rng)[:count].sort().values
        return self._with(self.indices[chosen])

    def joined(self, other: Split) -> Split:
        """The examples of both; `other` must be another part of the same source."""
        return self._with(torch.cat([self.indices, other.indices]))

    def _with(self, indices: Tensor) -> Split:
        part = object.__new__(Split)
        part.__dict__.update(self.__dict__)
        part.indices = indices
        return part

    def _evened_out(self, order: Tensor, size: int) -> Iterator[Batch]:
        """Batches of `size`; the last two share alike if the last had less than half of that."""
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


def sent(drawn: Tensor, device: torch.device) -> Tensor:
    """What was drawn on the CPU, on the device: a GPU gets it without being waited for."""
    if device.type != "cuda":
        return drawn.to(device)
    return drawn.pin_memory().to(device, non_blocking=True)


def augmented(images: Tensor, how: Augmentation, rng: torch.Generator) -> Tensor:
    """Flip and translate a batch (B, C, H, W) of any dtype, each image by its own draw from `rng`."""
    count, device = len(images), images.device
    if how.flip:
        mirror = sent(torch.rand(count, generator=rng) < 0.5, device)
        images = torch.where(mirror.view(-1, 1, 1, 1), images.flip(3), images)
    if how.translate:
        reach = how.translate
        shift = sent(torch.randint(0, 2 * reach + 1, (2, count), generator=rng), device)
        padded = F.pad(images.float(), (reach,) * 4, mode="reflect").to(images.dtype)
        windows = padded.unfold(2, images.shape[2], 1).unfold(3, images.shape[3], 1)
        images = windows[torch.arange(count, device=device), :, shift[0], shift[1]]
    return images
