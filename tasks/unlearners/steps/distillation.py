"""Distillation: how far a student is from the probabilities of a teacher, and how often it is right."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.datasets.splits import Split
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


def is_correct(model: Network, split: Split) -> tuple[Tensor, Tensor]:
    """Tell for each example whether its top class is its label, bool (N,); and give the labels (N,).

    One forward pass in index order and without gradients; leaves the model in evaluation mode.
    """
    import torch

    model.eval()
    with torch.no_grad():
        seen = [(model(x).argmax(1) == y, y) for x, y in split.ordered()]
    correct, labels = (torch.cat(part) for part in zip(*seen, strict=True))
    return correct, labels


def matched_error(model: Network, split: Split, labels: Tensor) -> float:
    """Compute the error on `split`, its classes weighted by how often they are among `labels` (N,).

    If it has no image of any of these classes, it is the error on all of its images. See `is_correct`.
    """
    import torch

    correct, own = is_correct(model, split)
    wanted, there = (y.bincount(minlength=split.classes).double() for y in (labels, own))
    weights = (wanted / there.clamp(min=1))[own]
    weights = weights if weights.any() else torch.ones_like(weights)
    return float((weights * ~correct).sum() / weights.sum())
