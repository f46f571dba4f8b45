"""Distillation: how far a student is from the probabilities of a teacher."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.models.network import Network


def kl_divergence(logits: Tensor, target: Tensor, temperature: float = 1.0) -> Tensor:
    """Compute T² · KL(target ‖ softmax(logits / T)), averaged over the batch (Hinton et al., 2015).

    `target` (N, classes) holds probabilities, already softened: softmax(teacher / T).
    """
    import torch

    student = torch.log_softmax(logits / temperature, 1)
    divergence = torch.nn.functional.kl_div(student, target, reduction="batchmean")
    return temperature**2 * divergence


def without_class(logits: Tensor, labels: Tensor) -> Tensor:
    """Compute softmax probabilities (N, classes) in which the class `labels` (N,) has none.

    The others keep their ratios (Zhou et al., 2025, "DELETE").
    """
    import torch

    barred = torch.nn.functional.one_hot(labels, logits.shape[1]).bool()
    return logits.masked_fill(barred, -torch.inf).softmax(1)


def soft_targets(teacher: Network, x: Tensor, temperature: float = 1.0) -> Tensor:
    """Compute a teacher's probabilities softmax(logits / T) without gradients: forward samples alone."""
    import torch

    with torch.no_grad():
        return torch.softmax(teacher(x) / temperature, 1)


def entropy(logits: Tensor) -> Tensor:
    """Compute the entropy (N,) of softmax(logits), in nats."""
    import torch

    return -(torch.softmax(logits, 1) * torch.log_softmax(logits, 1)).sum(1)
