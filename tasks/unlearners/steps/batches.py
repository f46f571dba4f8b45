"""Batches that mix two sets, and sets of images that a method has made itself."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from tasks.datasets.splits import Batch, Split


class Examples(Protocol):
    """What gives batches: a split, or `MadeExamples`."""

    def __len__(self) -> int: ...

    def batches(self, batch_size: int, rng: torch.Generator, /) -> Iterator[Batch]:
        """Yield shuffled images (B, C, H, W) and labels (B,), every example once."""
        ...


class MadeExamples:
    """Normalised images (N, C, H, W) and labels (N,), read like a split but never augmented."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.labels)

    def batches(self, batch_size: int, rng: torch.Generator, /) -> Iterator[Batch]:
        """Yield shuffled batches of about `batch_size`, every example once; none is much smaller."""
        import torch

        from tasks.datasets.splits import send_to_device

        order = torch.randperm(len(self), generator=rng)
        for chosen in order.tensor_split(math.ceil(len(self) / batch_size)):
            chosen = send_to_device(chosen, self.labels.device)
            yield self.images[chosen], self.labels[chosen]


def mixed_batches(
    retain: Split,
    others: Examples,
    batch_size: int,
    rng: torch.Generator,
    *,
    share: float = 1.0,
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Pass once over a random `share` of `retain` and over all of `others`, both in each batch.

    Yields images (B, C, H, W), labels (B,) and which of them (B,) are of `others`. Each batch holds the two
    in the proportion of their sizes: a shuffle of both would do so on average.
    """
    import torch

    kept = round(share * len(retain))
    steps = math.ceil((kept + len(others)) / batch_size)
    pairs = itertools.zip_longest(
        retain.batches(math.ceil(kept / steps), rng, share=share) if kept else (),
        others.batches(math.ceil(len(others) / steps), rng),
    )
    for pair in pairs:
        parts = [(*batch, other) for batch, other in zip(pair, (False, True), strict=True) if batch]
        yield (
            torch.cat([x for x, _, _ in parts]),
            torch.cat([y for _, y, _ in parts]),
            torch.cat([torch.full_like(y, other, dtype=torch.bool) for _, y, other in parts]),
        )


def wrong_labels(y: Tensor, classes: int, rng: torch.Generator) -> Tensor:
    """Draw for each label (N,) one of the other `classes` − 1, uniformly."""
    import torch

    from tasks.datasets.splits import send_to_device

    offset = torch.randint(1, classes, y.shape, generator=rng)
    return (y + send_to_device(offset, y.device)) % classes


def random_labels(y: Tensor, classes: int, rng: torch.Generator) -> Tensor:
    """Draw for each label (N,) one of all `classes`, uniformly: also its own, once in `classes` times."""
    import torch

    from tasks.datasets.splits import send_to_device

    return send_to_device(torch.randint(0, classes, y.shape, generator=rng), y.device)
