"""Dampening: shrink the weights that matter far more to the forget set than to all the data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tasks.unlearners.descent import cross_entropy
from tasks.unlearners.steps.importance import Loss, importance

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.datasets.splits import Batch
    from tasks.problem import Problem


def compare_importances(
    problem: Problem,
    *,
    batch_size: int,
    mixed: bool,
    share: float = 1.0,
    loss: Loss = cross_entropy,
    power: int = 2,
) -> tuple[list[Tensor], list[Tensor]]:
    """Measure the importance of each weight to the forget set and to a `share` of all the data.

    Of batches, in evaluation mode and without augmentation. Unmixed, both are read in stored order, all the
    data as retain set, then forget set: the two sets share at most one batch. With batches of one example
    the ratio of the two importances is at most 1 / (the forget set's share); with larger ones, mixed above
    all, the gradients of all the data cancel within a batch, and the ratio grows severalfold.
    """
    model, rng = problem.model.eval(), problem.rng
    everything = problem.retain.joined(problem.forget)

    def batches() -> tuple[Iterator[Batch], Iterator[Batch]]:
        if mixed:
            forget = problem.forget.batches(batch_size, rng, augment=False)
            return forget, everything.batches(batch_size, rng, share=share, augment=False)
        part = everything
        if share < 1:
            part = everything.subset(max(1, round(share * len(everything))), rng)
        return problem.forget.ordered(batch_size), part.ordered(batch_size)

    forget, both = batches()
    return importance(model, forget, loss, power), importance(model, both, loss, power)


def dampen(
    weights: Sequence[Tensor],
    of_forget: Sequence[Tensor],
    of_all: Sequence[Tensor],
    *,
    selection: float,
    strength: float,
) -> None:
    """Multiply the weights with I_f > selection · I_D by min(1, strength · I_D / I_f); leave the others."""
    import torch

    with torch.no_grad():
        for weight, forget, everything in zip(weights, of_forget, of_all, strict=True):
            factor = (strength * everything / forget).clamp(max=1.0)
            selected = forget > selection * everything
            weight.mul_(torch.where(selected, factor, torch.ones_like(factor)))
