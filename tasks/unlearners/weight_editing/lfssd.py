"""Loss-free selective synaptic dampening (Foster et al., 2024, "Loss-free machine unlearning")."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float
from tasks.unlearners.base import Passes, Unlearner, trainable
from tasks.unlearners.steps.dampening import compare_importances, dampen
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.problem import Problem


@dataclass(frozen=True)
class LossFreeDampening(Unlearner):
    """Dampen as SSD does, by the sensitivity of the logits' norm, which needs no labels (Foster et al., 2024).

    Importance I = the mean over batches of |∇ mean ‖f(x)‖₂²|; where I_f > α·I_D, θ ← θ · min(1, λ·I_D / I_f).
    The authors' code reads all the data in stored order, retain set first: see SSD's `mixed`.
    """

    verified: ClassVar[Verified] = Verified(
        "authors' code, if-loops/selective-synaptic-dampening",
        ("lfssd weighs by the gradient of the squared norm of the logits",),
    )
    passes: ClassVar[Passes] = Passes(forget=1, both=1)
    deterministic: ClassVar[bool] = True

    selection: Annotated[float, Float(1.0, 50.0, log=True, above=0)] = 3.5
    """Threshold α: how many times more important to the forget set a weight must be."""
    dampening: Annotated[float, Float(0.05, 2.0, above=0)] = 1.0
    """Strength λ of what is left of a selected weight."""
    retain_share: Annotated[float, Float(0.02, 1.0, log=True, above=0, most=1)] = 1.0
    """Share of all the data on which the importances I_D are estimated."""
    batch_size: int = 64
    """Examples whose mean gradient is taken: positive and negative ones cancel in it."""
    mixed: bool = False
    """Whether the batches for I_D mix both sets."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields once."""
        of_forget, of_all = compare_importances(
            problem,
            batch_size=self.batch_size,
            mixed=self.mixed,
            share=self.retain_share,
            loss=squared_norm,
            power=1,
        )
        dampen(
            trainable(problem.model),
            of_forget,
            of_all,
            selection=self.selection,
            strength=self.dampening,
        )
        yield


def squared_norm(logits: Tensor, _: Tensor) -> Tensor:
    """Compute the mean over a batch of the squared Euclidean norm of logits (N, classes)."""
    return logits.square().sum(1).mean()
