"""Gradient ascent on the forget set (Golatkar et al., 2020, call it the negative gradient)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float, Int
from tasks.unlearners.base import Passes, SGDUnlearner, cross_entropy, step

if TYPE_CHECKING:
    from tasks.problem import Problem


@dataclass(frozen=True)
class GradientAscent(SGDUnlearner):
    """Climb the cross-entropy of the forget set; nothing holds the rest in place (Golatkar et al., 2020)."""

    passes: ClassVar[Passes] = Passes(forget=1)

    lr: Annotated[float, Float(1e-6, 1e-2, log=True)] = 1e-4
    """SGD learning rate."""
    epochs: Annotated[int, Int(1, 5)] = 1
    """Passes over the forget set."""
    retain_share: ClassVar[float] = 0.0  # type: ignore[misc]
    weight_decay: ClassVar[float] = 0.0  # type: ignore[misc]

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch."""
        model = problem.model
        optimizer = self.optimizer(model)
        for _ in self.epochs_of(model):
            for x, y in self.forget_batches(problem):
                step(optimizer, -cross_entropy(model(x), y))
            yield
