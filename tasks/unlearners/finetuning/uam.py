"""UAM (Kim et al., 2025, "Unlearning-aware minimization", NeurIPS)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float, Int
from tasks.unlearners.base import Passes, SGDUnlearner, cross_entropy, trainable
from tasks.unlearners.steps.gradients import flat_gradient, set_gradient, split_like
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from torch import Tensor, nn

    from tasks.datasets.splits import Batch
    from tasks.problem import Problem


@dataclass(frozen=True)
class UnlearningAwareMinimization(SGDUnlearner):
    """Descend on the retain loss as it is where the forget loss is higher nearby (Kim et al., 2025).

    θ⁺ = θ + ρ · g / ‖g‖ with g = ∇CE(forget) at θ; then θ ← θ − η · ∇CE(retain) at θ⁺. ρ falls to zero along a
    cosine over all steps. As in the authors' code, the forward pass for g holds both batches, for BatchNorm.
    """

    verified: ClassVar[Verified] = Verified(
        "authors' code, Harry24k/machine-unlearning-pytorch",
        (
            "uam steps along the retain gradient uphill of the forget loss",
            "uam without a radius is finetune",
        ),
    )
    anytime: ClassVar[bool] = False
    passes: ClassVar[Passes] = Passes(retain=2, beside=1)

    lr: Annotated[float, Float(1e-3, 3e-1, log=True, above=0)] = 1e-1
    """SGD learning rate."""
    radius: Annotated[float, Float(1e-2, 5.0, log=True, above=0)] = 1.0
    """Length ρ of the step up the forget loss, at the start."""
    epochs: Annotated[int, Int(1, 10, least=1)] = 3
    """Passes over the chosen share of the retain set; the radius's schedule depends on it."""
    batch_size: int = 64
    """Examples per step, of each set."""
    # It has a perturbation of its own.
    sam: ClassVar[float] = 0.0  # type: ignore[misc]

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch; only the last counts."""
        model, size = problem.model, self.batch_size
        optimizer, weights = self.optimizer(model, self.masks(problem)), trainable(model)
        done, total = 0, self.epochs * problem.retain.steps(size, self.retain_share)
        for _ in self.epochs_of(model):
            pairs = problem.retain.paired(
                problem.forget, size, problem.rng, share=self.retain_share
            )
            for retain, forget in pairs:
                radius = self.radius * (1 + math.cos(math.pi * done / total)) / 2
                set_gradient(weights, perturbed_gradient(model, weights, retain, forget, radius))
                optimizer.step()
                done += 1
            yield


def perturbed_gradient(
    model: nn.Module, weights: Sequence[Tensor], retain: Batch, forget: Batch, radius: float
) -> Tensor:
    """Take the gradient of the retain loss `radius` up the forget loss; `weights` are as before, to the bit."""
    import torch

    (x_r, y_r), (x_f, y_f) = retain, forget
    logits = model(torch.cat([x_f, x_r]))[: len(x_f)]
    ascent = flat_gradient(cross_entropy(logits, y_f), weights)
    up = split_like(radius * ascent / (ascent.norm() + 1e-16), weights)
    before = [w.detach().clone() for w in weights]
    with torch.no_grad():
        for weight, part in zip(weights, up, strict=True):
            weight.add_(part)
    gradient = flat_gradient(cross_entropy(model(x_r), y_r), weights)
    with torch.no_grad():
        for weight, old in zip(weights, before, strict=True):
            weight.copy_(old)
    return gradient
