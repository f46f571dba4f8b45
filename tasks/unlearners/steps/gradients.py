"""Gradients as vectors: of a whole set, and projections."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from tasks.unlearners.base import cross_entropy, trainable

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.datasets.splits import Batch
    from tasks.models.network import Network


def flatten(tensors: Iterable[Tensor]) -> Tensor:
    """Join tensors to one vector."""
    import torch

    return torch.cat([t.flatten() for t in tensors])


def split_like(vector: Tensor, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Cut a vector into parts of the shapes of `tensors`: what `flatten` joined."""
    parts = vector.split([t.numel() for t in tensors])
    return [part.view_as(t) for part, t in zip(parts, tensors, strict=True)]


def write_weights(model: Network, vector: Tensor) -> None:
    """Set the trainable weights of a model to the entries of a vector."""
    import torch

    weights = trainable(model)
    with torch.no_grad():
        for weight, part in zip(weights, split_like(vector, weights), strict=True):
            weight.copy_(part)


def mean_gradient(model: Network, batches: Iterable[Batch]) -> Tensor:
    """Compute the gradient of the mean cross-entropy over all the batches' examples, as a vector."""
    import torch

    weights = trainable(model)
    total, count = torch.zeros_like(flatten(w.detach() for w in weights)), 0
    for x, y in batches:
        gradient = torch.autograd.grad(cross_entropy(model(x), y), weights)
        total.add_(flatten(gradient), alpha=len(y))
        count += len(y)
    return total / count


def without_conflict(gradient: Tensor, other: Tensor) -> Tensor:
    """Project `gradient` onto the plane normal to `other` if the two point against each other.

    g − (g·o / ‖o‖²) o where g·o < 0, else g itself (Yu et al., 2020, "Gradient surgery"); any one shape.
    """
    along = (gradient * other).sum()
    if along >= 0:
        return gradient
    return gradient - along / other.square().sum() * other
