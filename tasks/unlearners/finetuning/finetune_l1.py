"""L1-sparse unlearning (Jia et al., 2023, "Model sparsity can simplify machine unlearning")."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float, Int
from tasks.unlearners.base import Passes, SGDUnlearner, cross_entropy, descend, trainable
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.models.network import Network
    from tasks.problem import Problem


@dataclass(frozen=True)
class FinetuneL1(SGDUnlearner):
    """Descend on CE(retain) + penalty · (1 − e/E) · ‖θ‖₁ in epoch e of E (Jia et al., 2023)."""

    verified: ClassVar[Verified] = Verified(
        "authors' code, OPTML-Group/Unlearn-Sparse",
        (
            "finetune l1 fades its penalty over the epochs",
            "finetune l1 without its penalty is finetune",
        ),
    )
    anytime: ClassVar[bool] = False
    passes: ClassVar[Passes] = Passes(retain=1)

    penalty: Annotated[float, Float(1e-5, 1e-3, log=True, least=0)] = 1e-4
    """Strength α of the L1 norm in the first epoch."""
    epochs: Annotated[int, Int(1, 10, least=1)] = 5
    """Passes over the chosen share of the retain set; the penalty's schedule depends on it."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch; only the last counts."""
        model = problem.model
        optimizer = self.optimizer(model, self.masks(problem))
        for epoch in self.epochs_of(model):
            strength = self.penalty * (1 - epoch / self.epochs)
            for x, y in self.retain_batches(problem):
                descend(
                    optimizer, lambda: cross_entropy(model(x), y) + strength * absolute_sum(model)
                )
            yield


def absolute_sum(model: Network) -> Tensor | int:
    """Compute the L1 norm of all trainable weights together."""
    return sum(p.abs().sum() for p in trainable(model))
