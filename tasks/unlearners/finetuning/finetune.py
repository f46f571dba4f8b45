"""Fine-tuning on the retain set and trusting in forgetting (Warnecke et al., 2023)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tasks.unlearners.base import Passes, SGDUnlearner, cross_entropy, descend
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from tasks.problem import Problem


@dataclass(frozen=True)
class Finetune(SGDUnlearner):
    """Descend on the cross-entropy of the retain set, from the original weights (Warnecke et al., 2023)."""

    verified: ClassVar[Verified] = Verified(
        "the code of Jia et al., OPTML-Group/Unlearn-Sparse",
        ("finetune takes the steps of SGD on the retain set",),
    )
    passes: ClassVar[Passes] = Passes(retain=1)

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch."""
        model = problem.model
        optimizer = self.optimizer(model, self.masks(problem))
        for _ in self.epochs_of(model):
            for x, y in self.retain_batches(problem):
                descend(optimizer, lambda: cross_entropy(model(x), y))
            yield
