"""Gradient ascent on the forget set (Golatkar et al., 2020, call it the negative gradient)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float, Int
from tasks.unlearners.base import Passes, cross_entropy, descend
from tasks.unlearners.forget_alone import ForgetAlone
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from tasks.problem import Problem


@dataclass(frozen=True)
class GradientAscent(ForgetAlone):
    """Climb the cross-entropy of the forget set; nothing holds the rest in place (Golatkar et al., 2020).

    The authors leave BatchNorm in training mode: its statistics become the forget set's, which forgets by itself.
    """

    verified: ClassVar[Verified] = Verified(
        "the code of Jia et al., OPTML-Group/Unlearn-Sparse",
        (
            "gradient ascent moves the statistics unless told not to",
            "gradient ascent raises the forget loss",
        ),
    )
    passes: ClassVar[Passes] = Passes(forget=1)

    lr: Annotated[float, Float(1e-6, 1e-2, log=True, above=0)] = 1e-4
    """SGD learning rate."""
    epochs: Annotated[int, Int(1, 5, least=1)] = 1
    """Passes over the forget set."""
    retain_share: ClassVar[float] = 0.0  # type: ignore[misc]
    weight_decay: ClassVar[float] = 0.0  # type: ignore[misc]

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch."""
        model = problem.model
        optimizer = self.optimizer(model, self.masks(problem))
        for _ in self.epochs_of(model):
            with self.forget_pass(model):
                for x, y in self.forget_batches(problem):
                    descend(optimizer, lambda: -cross_entropy(model(x), y))
            yield
