"""Prune first, then unlearn (Jia et al., 2023, "Model sparsity can simplify machine unlearning")."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float
from tasks.unlearners.base import Passes, SGDUnlearner, cross_entropy, descend
from tasks.unlearners.steps.masks import prune_smallest
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from tasks.problem import Problem


@dataclass(frozen=True)
class PruneFinetune(SGDUnlearner):
    """Set the smallest weights to zero, then fine-tune the others on the retain set (Jia et al., 2023).

    θ ← m ⊙ θ with m the (1 − sparsity) largest |θ| of all convolution and linear weights, and then masked steps
    down CE(retain): what was pruned stays zero. The authors prune with all the data, before they are to forget;
    here the given model is pruned, as a part of unlearning.
    """

    verified: ClassVar[Verified] = Verified(
        "authors' code, OPTML-Group/Unlearn-Sparse",
        ("pruned weights are the smallest and stay zero", "pruning nothing is finetune"),
    )
    passes: ClassVar[Passes] = Passes(retain=1)

    lr: Annotated[float, Float(1e-3, 2e-1, log=True, above=0)] = 5e-2
    """SGD learning rate."""
    sparsity: Annotated[float, Float(0.3, 0.99)] = 0.9
    """Share of the weights of convolutions and linear layers that become zero."""
    # It has the mask of magnitudes, under a name of its own.
    mask: ClassVar[str] = "none"  # type: ignore[misc]
    mask_share: ClassVar[float] = 1.0  # type: ignore[misc]

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch."""
        model = problem.model
        optimizer = self.optimizer(model, prune_smallest(model, 1 - self.sparsity))
        for _ in self.epochs_of(model):
            for x, y in self.retain_batches(problem):
                descend(optimizer, lambda: cross_entropy(model(x), y))
            yield
