"""Task vectors: what fine-tuning adds to the weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

from tasks.unlearners.descent import Descent, cross_entropy, descend
from tasks.unlearners.steps.batch_norm import frozen_batch_norm

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.datasets.splits import Batch
    from tasks.models.network import Network


def tune(model: Network, optimizer: Descent, batches: Iterable[Batch], *, frozen: bool) -> None:
    """Descend on the cross-entropy of batches in training mode; `frozen` leaves BatchNorm's statistics alone."""
    model.train()
    with frozen_batch_norm(model) if frozen else nullcontext():
        for x, y in batches:
            descend(optimizer, lambda: cross_entropy(model(x), y))


def consensus(vectors: Sequence[Tensor]) -> Tensor:
    """Average vectors of one shape where the signs of all agree; 0 elsewhere."""
    import torch

    signs, mean = torch.zeros_like(vectors[0]), torch.zeros_like(vectors[0])
    for vector in vectors:
        signs += vector.sign()
        mean += vector / len(vectors)
    return torch.where(signs.abs() == len(vectors), mean, torch.zeros_like(mean))
