"""Gradient ascent on the forget set (Golatkar et al., 2020, call it the negative gradient)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Categorical, Float, Int
from tasks.unlearners.base import Passes, SGDUnlearner, cross_entropy, descend
from tasks.unlearners.steps.batch_norm import frozen_batch_norm
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from tasks.problem import Problem


@dataclass(frozen=True)
class GradientAscent(SGDUnlearner):
    """Climb the cross-entropy of the forget set; nothing holds the rest in place (Golatkar et al., 2020).

    The authors leave BatchNorm in training mode: its statistics become the forget set's, which forgets by itself.
    """

    verified: ClassVar[Verified] = Verified(
        "authors' code, OPTML-Group/Unlearn-Sparse",
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
    freeze_batch_norm: Annotated[bool, Categorical((False, True))] = False
    """Keep the statistics of BatchNorm: then the weights alone forget."""
    retain_share: ClassVar[float] = 0.0  # type: ignore[misc]
    weight_decay: ClassVar[float] = 0.0  # type: ignore[misc]

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch."""
        model = problem.model
        optimizer = self.optimizer(model, self.masks(problem))
        for _ in self.epochs_of(model):
            with frozen_batch_norm(model) if self.freeze_batch_norm else nullcontext():
                for x, y in self.forget_batches(problem):
                    descend(optimizer, lambda: -cross_entropy(model(x), y))
            yield
