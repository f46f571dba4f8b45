"""Gradients as vectors: of a whole set, projections and compromises."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from tasks.unlearners.descent import cross_entropy, trainable

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.datasets.splits import Batch
    from tasks.models.network import Network


def flatten(tensors: Iterable[Tensor]) -> Tensor:
    """Join tensors to one vector, without their history."""
    import torch

    return torch.cat([t.detach().flatten() for t in tensors])


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
    total, count = torch.zeros_like(flatten(weights)), 0
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


def flat_gradient(loss: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """Differentiate `loss` with respect to `weights`: one vector, zero where it does not depend on them."""
    import torch

    return flatten(torch.autograd.grad(loss, weights, materialize_grads=True))


def read_gradient(weights: Sequence[Tensor]) -> Tensor:
    """Join the gradients that `weights` hold to one vector, zero for a weight without one."""
    import torch

    return flatten([torch.zeros_like(w) if w.grad is None else w.grad for w in weights])


def set_gradient(weights: Sequence[Tensor], vector: Tensor) -> None:
    """Make `vector`, as of `flat_gradient`, the gradient that an optimizer reads from `weights`."""
    for weight, part in zip(weights, split_like(vector, weights), strict=True):
        weight.grad = part


def bargained(gradient: Tensor, other: Tensor) -> Tensor | None:
    """Combine two gradients (vectors) as two players would in Nash's bargaining game; None if they cannot.

    The weights α > 0 of the two solve GᵀG α = 1/α (Navon et al., 2022, "Multi-task learning as a bargaining
    game"); for two players, α = 1 / (‖g‖ √(1 + cos)). There are none if the gradients are opposite or zero.
    """
    length, other_length = gradient.norm(), other.norm()
    agreement = 1 + (gradient @ other) / (length * other_length)
    if not agreement > 1e-6:
        return None
    return (gradient / length + other / other_length) / agreement.sqrt()


def kept_in_mind(
    gradient: Tensor, memory: Tensor, margin: float = 0.5, damping: float = 1e-3
) -> Tensor:
    """Add to `gradient` v · `memory`, a remembered gradient, if the two (vectors) point against each other.

    v = max(margin, −g·m / (‖m‖² + damping)): gradient episodic memory (Lopez-Paz and Ranzato, 2017) with
    one memory, whose quadratic program has this solution.
    """
    along = gradient @ memory
    if along >= 0:
        return gradient
    return gradient + (-along / (memory.square().sum() + damping)).clamp(min=margin) * memory
