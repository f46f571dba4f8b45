"""EU-k: exact unlearning of the last k layers (Goel et al., 2022, "Towards adversarial evaluations for inexact
machine unlearning").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float, Int
from tasks.unlearners.base import Passes, SGDUnlearner, cross_entropy, descend
from tasks.unlearners.steps.blocks import last_blocks, training_only
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from tasks.problem import Problem

MILESTONES = (0.5, 0.8, 0.9)
"""Shares of the epochs after which the learning rate falls to a tenth."""


@dataclass(frozen=True)
class ExactUnlearningK(SGDUnlearner):
    """Draw the head and the last k blocks anew, train them on the retain set, freeze the rest (Goel et al., 2022).

    θ_last ← initialisation, then θ_last ← θ_last − η · ∇CE(retain), with η a tenth after 50, 80 and 90 % of the
    epochs. BatchNorm layers of the frozen part keep their statistics, unlike in public code. Of the frozen part
    nothing is forgotten.
    """

    verified: ClassVar[Verified] = Verified(
        "a port, xcadet/deepunlearn",
        (
            "eu-k leaves the frozen part alone to the last bit, statistics too",
            "eu-k of all blocks owes nothing to the original model at all",
        ),
    )
    anytime: ClassVar[bool] = False
    passes: ClassVar[Passes] = Passes(retain=1)

    lr: Annotated[float, Float(5e-3, 3e-1, log=True, above=0)] = 1e-1
    """SGD learning rate at the start."""
    epochs: Annotated[int, Int(1, 20, least=1)] = 10
    """Passes over the chosen share of the retain set; the learning rate's schedule depends on it."""
    blocks: Annotated[int, Int(1, 10, least=1)] = 1
    """Blocks k before the head that are drawn anew: residual blocks or single convolutions, all if there are fewer."""
    batch_size: int = 128
    """Examples per step."""
    # A mask makes no sense: weights that are drawn anew do not keep their values.
    mask: ClassVar[str] = "none"  # type: ignore[misc]
    mask_share: ClassVar[float] = 1.0  # type: ignore[misc]

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch; only the last counts."""
        model = problem.model
        moved = last_blocks(model, self.blocks)
        for module in moved:
            model.reset(module, problem.rng)
        optimizer = self.optimizer(model)  # passes over frozen weights: they have no gradient
        for epoch in self.epochs_of(model):
            reached = sum(epoch >= share * self.epochs for share in MILESTONES)
            optimizer.param_groups[0]["lr"] = self.lr * 0.1**reached
            with training_only(model, moved):
                for x, y in self.retain_batches(problem):
                    descend(optimizer, lambda: cross_entropy(model(x), y))
            yield
