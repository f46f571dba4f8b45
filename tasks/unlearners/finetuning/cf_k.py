"""CF-k: catastrophic forgetting of the last k layers (Goel et al., 2022, "Towards adversarial evaluations for
inexact machine unlearning").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Int
from tasks.unlearners.base import Passes, SGDUnlearner, cross_entropy, descend
from tasks.unlearners.steps.blocks import last_blocks, training_only
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from tasks.problem import Problem


@dataclass(frozen=True)
class CatastrophicForgettingK(SGDUnlearner):
    """Fine-tune the head and the last k blocks on the retain set; the rest is frozen (Goel et al., 2022).

    θ_last ← θ_last − η · ∇CE(retain). Public code freezes weights alone, so that the statistics of frozen
    BatchNorm layers go on moving; here they stay, too.
    """

    verified: ClassVar[Verified] = Verified(
        "authors' code, shash42/Evaluating-Inexact-Unlearning",
        (
            "cf-k leaves the frozen part alone to the last bit, statistics too",
            "cf-k of all blocks is finetune",
        ),
    )
    passes: ClassVar[Passes] = Passes(retain=1)

    blocks: Annotated[int, Int(1, 10, least=1)] = 1
    """Blocks k before the head that are trained: residual blocks or single convolutions, all if there are fewer."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch."""
        model = problem.model
        moved = last_blocks(model, self.blocks)
        optimizer = self.optimizer(
            model, self.masks(problem)
        )  # passes over frozen weights: they have no gradient
        for _ in self.epochs_of(model):
            with training_only(model, moved):
                for x, y in self.retain_batches(problem):
                    descend(optimizer, lambda: cross_entropy(model(x), y))
            yield
