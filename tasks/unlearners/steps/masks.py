"""Masks: which weights may move. `Descent` takes the steps that move no other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from tasks.unlearners.descent import Masks
from tasks.unlearners.steps.importance import summed_gradient

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.datasets.splits import Batch
    from tasks.models.network import Network

NONE, SALIENCY, MAGNITUDE = "none", "saliency", "magnitude"


def top_mask(scores: Sequence[Tensor], share: float) -> list[Tensor]:
    """Mark the ⌊share · N⌋ highest of all N scores, ranked across the tensors: boolean, of their shapes."""
    import torch

    flat = torch.cat([s.flatten() for s in scores])
    marked = torch.zeros_like(flat, dtype=torch.bool)
    marked[flat.topk(int(share * len(flat))).indices] = True
    parts = marked.split([s.numel() for s in scores])
    return [part.view_as(s) for part, s in zip(parts, scores, strict=True)]


def name_masks(model: Network, masks: Iterable[Tensor]) -> Masks:
    """Name masks, one for each trainable parameter in order, by their parameters."""
    names = [name for name, p in model.named_parameters() if p.requires_grad]
    return dict(zip(names, masks, strict=True))


def salient_masks(model: Network, batches: Iterable[Batch], share: float) -> Masks:
    """Mark the `share` of all trainable weights with the highest |Σ_batches ∇CE| (Fan et al., 2024, "SalUn").

    Gradients are taken in evaluation mode, one pass over the batches; the model's mode is as before.
    """
    training = model.training
    model.eval()
    scores = [total.abs() for total in summed_gradient(model, batches)]
    model.train(training)
    return name_masks(model, top_mask(scores, share))


def prune_smallest(model: Network, share: float) -> Masks:
    """Set all but the `share` of largest |θ| among convolution and linear weights to 0, and mark that share.

    One-shot magnitude pruning (Jia et al., 2023, "Model sparsity can simplify machine unlearning"). Biases and
    the weights of norms are neither pruned nor held.
    """
    import torch

    weights = prunable(model)
    masks = top_mask([weight.detach().abs() for weight in weights.values()], share)
    with torch.no_grad():
        for weight, mask in zip(weights.values(), masks, strict=True):
            weight.mul_(mask)
    return dict(zip(weights, masks, strict=True))


def prunable(model: Network) -> dict[str, Tensor]:
    """Find the weights of convolutions and linear layers that may move, without biases, by name."""
    from torch import nn

    return {
        f"{name}.weight": module.weight
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear) and module.weight.requires_grad
    }


def scale_gradients(weights: Sequence[Tensor], factors: Sequence[Tensor]) -> None:
    """Multiply the gradients of `weights`, where they have one, by factors or masks of their shapes."""
    import torch

    with torch.no_grad():
        for weight, factor in zip(weights, factors, strict=True):
            if weight.grad is not None:
                weight.grad.mul_(factor)
