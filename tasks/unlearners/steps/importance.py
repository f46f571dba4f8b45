"""How much each weight matters to a set: gradients and Fisher importances, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from tasks.unlearners.descent import cross_entropy, trainable

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.datasets.splits import Batch
    from tasks.models.network import Network

Loss = Callable[["Tensor", "Tensor"], "Tensor"]
"""Of logits (N, classes) and labels (N,): a scalar."""


def batch_gradients(
    model: Network, batches: Iterable[Batch], loss: Loss = cross_entropy
) -> Iterator[list[Tensor]]:
    """Take the gradient of the loss of each batch: one tensor for each trainable parameter."""
    import torch

    weights = trainable(model)
    for x, y in batches:
        yield list(torch.autograd.grad(loss(model(x), y), weights))


def importance(
    model: Network, batches: Iterable[Batch], loss: Loss = cross_entropy, power: int = 2
) -> list[Tensor]:
    """Average |batch gradient|^power over the batches, for each trainable parameter.

    With the cross-entropy and power 2 this is the diagonal Fisher information as most code estimates it
    (Kirkpatrick et al., 2017). How batches are made up decides its scale: of one example each it is the
    empirical Fisher; `split.batches` mixes examples, `split.ordered` keeps the stored order. The model's
    mode is the caller's choice: evaluation mode leaves the statistics of BatchNorm alone.
    """
    import torch

    total, count = [torch.zeros_like(w) for w in trainable(model)], 0
    for gradients in batch_gradients(model, batches, loss):
        for accumulated, gradient in zip(total, gradients, strict=True):
            accumulated.add_(gradient.abs().pow(power))
        count += 1
    return [accumulated / count for accumulated in total]


def summed_gradient(
    model: Network, batches: Iterable[Batch], loss: Loss = cross_entropy
) -> list[Tensor]:
    """Add up the signed gradients of the batches, for each trainable parameter: opposite ones cancel.

    The model's mode is the caller's choice.
    """
    import torch

    total = [torch.zeros_like(w) for w in trainable(model)]
    for gradients in batch_gradients(model, batches, loss):
        for accumulated, gradient in zip(total, gradients, strict=True):
            accumulated.add_(gradient)
    return total
