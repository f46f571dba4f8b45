"""SFRon (Huang et al., 2024, "Unified gradient-based machine unlearning with remain geometry enhancement",
NeurIPS).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Categorical, Float
from tasks.unlearners.base import Passes, cross_entropy, descend, trainable
from tasks.unlearners.forget_alone import ForgetAlone
from tasks.unlearners.steps.importance import importance
from tasks.unlearners.steps.masks import scale_gradients
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.models.network import Network
    from tasks.problem import Problem

LARGEST_NORM = 7.0
"""To which the authors clip the gradient of the forget set."""


@dataclass(frozen=True)
class FastSlowRemain(ForgetAlone):
    """Now and then climb the forget loss where it matters, with steps on the retain set between (Huang et al., 2024).

    Mask m = [F_forget ≥ γ · F_retain], F the mean of squared batch gradients at θ0. Every few steps s of S: along
    m · ∇ α_s Σ w_i ℓ_i on a forget batch, w_i ∝ ℓ_i^−λ and α_s = α (1 + cos πs/S)/2. After that, and in every step,
    down CE(retain). The learning rate falls along the same cosine. As in the authors' code, the mask is on the
    gradient: momentum and weight decay move other weights as well. Their slow weights (β = 1) change nothing.
    """

    verified: ClassVar[Verified] = Verified(
        "authors' code, K1nght/Unified-Unlearning-w-Remain-Geometry",
        (
            "sfron climbs where the mask is and then descends",
            "the weighted loss is the mean without flattening and flat at one",
        ),
    )
    anytime: ClassVar[bool] = False
    passes: ClassVar[Passes] = Passes(retain=1, beside=0.2)
    preparation: ClassVar[Passes] = Passes(retain=1, forget=1, steps=False)

    strength: Annotated[float, Float(1.0, 100.0, log=True, above=0)] = 25.0
    """Weight α of the forget loss at the start."""
    flattening: Annotated[float, Float(0.0, 2.0, least=0)] = 0.5
    """Exponent λ: how far examples that are forgotten already count less."""
    threshold: Annotated[float, Float(0.1, 10.0, log=True, above=0)] = 1.0
    """Ratio γ of the importances from which the forget set moves a weight."""
    period: Annotated[int, Categorical((1, 2, 5, 10))] = 5
    """Steps on the retain set for each on the forget set."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch; only the last counts."""
        model = problem.model
        optimizer = self.optimizer(model, self.masks(problem))
        important = self.important(problem)
        forget = itertools.chain.from_iterable(
            self.forget_batches(problem) for _ in itertools.count()
        )
        done, total = 0, self.epochs * problem.retain.steps(self.batch_size, self.retain_share)
        for _ in self.epochs_of(model):
            for x, y in self.retain_batches(problem):
                fading = (1 + math.cos(math.pi * done / total)) / 2
                optimizer.param_groups[0]["lr"] = fading * self.lr
                if done % self.period == 0:
                    x_f, y_f = next(forget)
                    optimizer.move(lambda: self.climb(model, x_f, y_f, fading, important))
                descend(optimizer, lambda: cross_entropy(model(x), y))
                done += 1
            yield

    def climb(
        self, model: Network, x: Tensor, y: Tensor, fading: float, important: Sequence[Tensor]
    ) -> None:
        """Take the clipped gradients of the ascent on a batch, where it matters."""
        import torch

        with self.forget_pass(model):
            loss = weighted_loss(model(x), y, self.flattening)
        (-self.strength * fading * loss).backward()
        scale_gradients(trainable(model), important)
        torch.nn.utils.clip_grad_norm_(trainable(model), LARGEST_NORM)

    def important(self, problem: Problem) -> list[Tensor]:
        """Mark the weights that matter at least γ times as much to the forget set as to the retain set."""
        problem.model.eval()
        on_forget = importance(problem.model, self.forget_batches(problem))
        on_retain = importance(problem.model, self.retain_batches(problem))
        pairs = zip(on_forget, on_retain, strict=True)
        return [(f + 1e-15) / (r + 1e-15) >= self.threshold for f, r in pairs]


def weighted_loss(logits: Tensor, labels: Tensor, flattening: float) -> Tensor:
    """Average the losses ℓ of the examples with weights proportional to ℓ^−flattening, held constant."""
    import torch

    losses = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    weights = 1 / (losses.detach().pow(flattening) + 1e-15)
    return (weights / weights.sum() * losses).sum()
