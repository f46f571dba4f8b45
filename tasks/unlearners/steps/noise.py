"""Gaussian noise on weights, drawn from the caller's generator."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def add_noise(weights: Iterable[Tensor], sigma: float, rng: torch.Generator) -> None:
    """Add N(0, σ²) to every entry of the weights, in place."""
    import torch

    from tasks.datasets.splits import send_to_device

    with torch.no_grad():
        for weight in weights:
            draw = torch.randn(weight.shape, generator=rng, dtype=weight.dtype)
            weight.add_(send_to_device(draw, weight.device), alpha=sigma)
