"""Masks: which weights may move, and steps that move no other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from tasks.compute.sgd import SGD


def top_mask(scores: Sequence[Tensor], share: float) -> list[Tensor]:
    """Mark the ⌊share · N⌋ highest of all N scores, ranked across the tensors: boolean, of their shapes."""
    import torch

    flat = torch.cat([s.flatten() for s in scores])
    marked = torch.zeros_like(flat, dtype=torch.bool)
    marked[flat.topk(int(share * len(flat))).indices] = True
    parts = marked.split([s.numel() for s in scores])
    return [part.view_as(s) for part, s in zip(parts, scores, strict=True)]


def scale_gradients(weights: Sequence[Tensor], factors: Sequence[Tensor]) -> None:
    """Multiply the gradients of `weights`, where they have one, by factors or masks of their shapes."""
    import torch

    with torch.no_grad():
        for weight, factor in zip(weights, factors, strict=True):
            if weight.grad is not None:
                weight.grad.mul_(factor)


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
    scale_gradients(weights, masks)
    with torch.no_grad():
        optimizer.step()
        for weight, old, mask in zip(weights, before, masks, strict=True):
            weight.copy_(torch.where(mask, weight, old))
