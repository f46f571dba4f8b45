"""Fine-tuning with an L2 penalty on straying from the original weights.

The penalty is L2-SP (Li et al., 2018, "Explicit inductive bias for transfer learning", eq. 2);
the CS726 deck proposes it for unlearning.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float
from tasks.unlearners.base import Passes, SGDUnlearner, cross_entropy, descend, trainable
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.models.network import Network
    from tasks.problem import Problem


@dataclass(frozen=True)
class FinetuneL2SP(SGDUnlearner):
    """Descend on CE(retain) + penalty/2 · ‖θ − θ0‖² (Li et al., 2018), which takes weight decay's place."""

    verified: ClassVar[Verified] = Verified(
        "the paper, equation 2", ("l2sp pulls towards the original weights and not to zero",)
    )
    passes: ClassVar[Passes] = Passes(retain=1)

    penalty: Annotated[float, Float(1e-4, 1.0, log=True, least=0)] = 1e-2
    """Strength λ of the pull towards the original weights θ0."""
    weight_decay: ClassVar[float] = 0.0  # type: ignore[misc]

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch."""
        model = problem.model
        optimizer = self.optimizer(model, self.masks(problem))
        start = [p.detach().clone() for p in trainable(model)]
        for _ in self.epochs_of(model):
            for x, y in self.retain_batches(problem):
                descend(
                    optimizer,
                    lambda: (
                        cross_entropy(model(x), y) + self.penalty / 2 * squared_way(model, start)
                    ),
                )
            yield


def squared_way(model: Network, start: Sequence[Tensor]) -> Tensor | int:
    """Compute the squared distance of all trainable weights together from `start`."""
    pairs = zip(trainable(model), start, strict=True)
    return sum((p - p0).square().sum() for p, p0 in pairs)
