"""Distillation: how far a student is from the probabilities of a teacher."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def kl_divergence(logits: Tensor, target: Tensor, temperature: float = 1.0) -> Tensor:
    """Compute T² · KL(target ‖ softmax(logits / T)), averaged over the batch (Hinton et al., 2015).

    `target` (N, classes) holds probabilities, already softened: softmax(teacher / T).
    """
    import torch

    student = torch.log_softmax(logits / temperature, 1)
    divergence = torch.nn.functional.kl_div(student, target, reduction="batchmean")
    return temperature**2 * divergence
