"""Noise on weights, and on outputs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def add_noise(weights: Iterable[Tensor], deviation: float, rng: torch.Generator) -> None:
    """Add normal noise of standard deviation `deviation` to `weights`, in place; it is drawn from `rng`."""
    import torch

    from tasks.datasets.splits import send_to_device

    with torch.no_grad():
        for weight in weights:
            drawn = torch.randn(weight.shape, generator=rng, dtype=weight.dtype)
            weight.add_(send_to_device(drawn, weight.device), alpha=deviation)


def gumbel_noise(like: Tensor, rng: torch.Generator) -> Tensor:
    """Draw standard Gumbel noise in the shape and dtype of `like`, from `rng` (Gumbel, 1954).

    The position of the largest of logits + noise is then a draw from their softmax.
    """
    import torch

    from tasks.datasets.splits import send_to_device

    drawn = torch.empty(like.shape, dtype=like.dtype).exponential_(generator=rng)
    return send_to_device(-drawn.log(), like.device)
