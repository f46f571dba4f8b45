"""Batches that mix two sets, and sets of images that a method has made itself."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
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
    in the proportion of their sizes, up to one example: a shuffle of both would do so on average.
    """
    import torch

    kept, made = count_share(retain, share), len(others)
    steps = math.ceil((kept + made) / batch_size)
    # One is rounded down and the other up: then not even a batch of one example is empty.
    kept_ends = [step * kept // steps for step in range(steps + 1)]
    made_ends = [-(-step * made // steps) for step in range(steps + 1)]
    pairs = zip(
        _cut(retain.batches(math.ceil(kept / steps), rng, share=share), kept_ends),
        _cut(others.batches(math.ceil(made / steps), rng), made_ends),
        strict=True,
    )
    for pair in pairs:
        parts = [
            (*part, other)
            for parts, other in zip(pair, (False, True), strict=True)
            for part in parts
        ]
        yield (
            torch.cat([x for x, _, _ in parts]),
            torch.cat([y for _, y, _ in parts]),
            torch.cat([torch.full_like(y, other, dtype=torch.bool) for _, y, other in parts]),
        )


def count_share(split: Split, share: float) -> int:
    """Count the examples of a share of a split, as its batches do: at least one."""
    return split.steps(1, share)


def _cut(batches: Iterator[Batch], ends: list[int]) -> Iterator[list[Batch]]:
    """Cut a stream of examples anew: yield the parts from one of the `ends` to the next, none where they are equal."""
    held: Batch | None = None
    for start, end in pairwise(ends):
        missing, parts = end - start, []
        while missing:
            x, y = next(batches) if held is None else held
            parts.append((x[:missing], y[:missing]))
            held = (x[missing:], y[missing:]) if len(y) > missing else None
            missing -= len(parts[-1][1])
        yield parts


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
