"""Steps that several methods share: distillation, importances, masks, projections, curvature.

Torch is imported inside functions, so that a method's file may import this one at its top.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tasks.unlearners.base import cross_entropy, trainable

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from tasks.compute.sgd import SGD
    from tasks.datasets.splits import Batch
    from tasks.models.network import Network

Loss = Callable[["Tensor", "Tensor"], "Tensor"]
"""Of logits (N, classes) and labels (N,): a scalar."""


def kl_divergence(logits: Tensor, target: Tensor, temperature: float = 1.0) -> Tensor:
    """Compute T² · KL(target ‖ softmax(logits / T)), averaged over the batch (Hinton et al., 2015).

    `target` (N, classes) holds probabilities, already softened: softmax(teacher / T).
    """
    import torch

    student = torch.log_softmax(logits / temperature, 1)
    divergence = torch.nn.functional.kl_div(student, target, reduction="batchmean")
    return temperature**2 * divergence


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


def top_mask(scores: Sequence[Tensor], share: float) -> list[Tensor]:
    """Mark the ⌊share · N⌋ highest of all N scores, ranked across the tensors: boolean, of their shapes."""
    import torch

    flat = torch.cat([s.flatten() for s in scores])
    marked = torch.zeros_like(flat, dtype=torch.bool)
    marked[flat.topk(int(share * len(flat))).indices] = True
    parts = marked.split([s.numel() for s in scores])
    return [part.view_as(s) for part, s in zip(parts, scores, strict=True)]


def masked_step(
    optimizer: SGD | torch.optim.Optimizer,
    loss: Tensor,
    weights: Sequence[Tensor],
    masks: Sequence[Tensor],
) -> None:
    """Take a step down `loss` that moves the marked entries of `weights` alone.

    The others are put back, to the last bit: weight decay and momentum would move them, too.
    """
    import torch

    optimizer.zero_grad()
    loss.backward()
    before = [w.detach().clone() for w in weights]
    with torch.no_grad():
        for weight, mask in zip(weights, masks, strict=True):
            if weight.grad is not None:
                weight.grad.mul_(mask)
        optimizer.step()
        for weight, old, mask in zip(weights, before, masks, strict=True):
            weight.copy_(torch.where(mask, weight, old))


def without_conflict(gradient: Tensor, other: Tensor) -> Tensor:
    """Project `gradient` onto the plane normal to `other` if the two point against each other.

    g − (g·o / ‖o‖²) o where g·o < 0, else g itself (Yu et al., 2020, "Gradient surgery"); any one shape.
    """
    along = (gradient * other).sum()
    if along >= 0:
        return gradient
    return gradient - along / other.square().sum() * other


def hessian_vector_product(
    loss: Tensor, weights: Sequence[Tensor], vector: Sequence[Tensor]
) -> list[Tensor]:
    """Multiply the Hessian of `loss` with respect to `weights` by `vector`, of the same shapes.

    Exact, by differentiating twice (Pearlmutter, 1994): it costs about two gradients. The graph of `loss`
    is kept, for further products.
    """
    import torch

    gradients = torch.autograd.grad(loss, weights, create_graph=True)
    parts = [(g * v).sum() for g, v in zip(gradients, vector, strict=True)]
    products = torch.autograd.grad(
        sum(parts[1:], parts[0]), weights, retain_graph=True, materialize_grads=True
    )
    return list(products)


@contextmanager
def frozen_batch_norm(model: torch.nn.Module) -> Iterator[None]:
    """Keep BatchNorm layers in evaluation mode in the block: their statistics neither move nor mix batches.

    Enter it after `model.train()`, which would put them back into training mode.
    """
    from torch.nn.modules.batchnorm import _BatchNorm

    layers = [m for m in model.modules() if isinstance(m, _BatchNorm)]
    before = [layer.training for layer in layers]
    for layer in layers:
        layer.eval()
    try:
        yield
    finally:
        for layer, training in zip(layers, before, strict=True):
            layer.train(training)
