"""Second derivatives, and linear systems with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from tasks.unlearners.descent import cross_entropy, trainable
from tasks.unlearners.steps.gradients import flatten, split_like

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.datasets.splits import Batch
    from tasks.models.network import Network

FURTHER_BACKWARDS = 3
"""Backward passes that a product with the Hessian takes beyond a gradient's, by its FLOPs: measured in a test."""


def hessian_vector_product(
    loss: Tensor, weights: Sequence[Tensor], vector: Sequence[Tensor]
) -> list[Tensor]:
    """Multiply the Hessian of `loss` with respect to `weights` by `vector`, of the same shapes.

    Exact, by differentiating twice (Pearlmutter, 1994): it takes `FURTHER_BACKWARDS` backward passes more than a
    gradient, which the caller counts. The graph of `loss` is kept, for further products.
    """
    import torch

    gradients = torch.autograd.grad(loss, weights, create_graph=True)
    parts = [(g * v).sum() for g, v in zip(gradients, vector, strict=True)]
    products = torch.autograd.grad(
        sum(parts[1:], parts[0]), weights, retain_graph=True, materialize_grads=True
    )
    return list(products)


def mean_hessian_product(
    model: Network, batches: Iterable[Batch], vector: Tensor, count_backwards: Callable[[int], None]
) -> Tensor:
    """Multiply the Hessian of the mean cross-entropy over all the batches' examples by a vector.

    `count_backwards` is told of the backward passes beyond a gradient's.
    """
    import torch

    weights = trainable(model)
    parts = split_like(vector, weights)
    total, count = torch.zeros_like(vector), 0
    for x, y in batches:
        product = hessian_vector_product(cross_entropy(model(x), y), weights, parts)
        count_backwards(FURTHER_BACKWARDS * len(y))
        total.add_(flatten(product), alpha=len(y))
        count += len(y)
    return total / count


def conjugate_gradients(
    multiply: Callable[[Tensor], Tensor], target: Tensor, steps: int
) -> Iterator[Tensor]:
    """Solve A x = target for symmetric positive definite A (Hestenes and Stiefel, 1952): yield each iterate.

    `multiply` computes A v. Along a direction of no positive curvature it moves no further, nor once the
    residual is zero: the last iterate is then yielded again.
    """
    import torch

    x, residual = torch.zeros_like(target), target.clone()
    direction, size = residual.clone(), residual.dot(residual)
    stopped = bool(size == 0)
    for _ in range(steps):
        if not stopped:
            product = multiply(direction)
            curvature = direction.dot(product)
            stopped = not bool(curvature > 0)
        if not stopped:
            rate = size / curvature
            x = x + rate * direction
            residual = residual - rate * product
            before, size = size, residual.dot(residual)
            direction = residual + size / before * direction
            stopped = bool(size == 0)
        yield x
