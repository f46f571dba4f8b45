"""Selective synaptic dampening (Foster et al., 2024, "Fast machine unlearning without retraining")."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float
from tasks.unlearners.base import Passes, Unlearner, trainable
from tasks.unlearners.steps.importance import importance

if TYPE_CHECKING:
    from tasks.problem import Problem


@dataclass(frozen=True)
class SelectiveSynapticDampening(Unlearner):
    """Shrink the weights that matter far more to the forget set than to all the data (Foster et al., 2024).

    With diagonal Fisher importances F: where F_f > α·F_D, θ ← θ · min(1, λ·F_D / F_f) (eqs. 3-6).
    No training.
    """

    passes: ClassVar[Passes] = Passes(forget=1, both=1)

    selection: Annotated[float, Float(1.0, 100.0, log=True)] = 10.0
    """Threshold α: how many times more important to the forget set a weight must be."""
    dampening: Annotated[float, Float(0.05, 2.0)] = 1.0
    """Strength λ of what is left of a selected weight."""
    retain_share: Annotated[float, Float(0.02, 1.0, log=True)] = 1.0
    """Share of all the data on which the importances F_D are estimated."""
    batch_size: int = 64
    """Examples whose mean gradient is squared: as in the authors' code, batches stand for examples."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields once."""
        import torch

        model, size, rng = problem.model, self.batch_size, problem.rng
        model.eval()
        on_forget = importance(model, problem.forget.batches(size, rng, augment=False))
        # Batches that mix both sets, as in the authors' code. Adding up the importances of either set
        # instead would bound the ratio by 1 / (share of the forget set): α = 10 could select nothing.
        everything = problem.retain.joined(problem.forget)
        mixed = everything.batches(size, rng, share=self.retain_share, augment=False)
        on_all = importance(model, mixed)
        with torch.no_grad():
            for weight, f_forget, f_all in zip(trainable(model), on_forget, on_all, strict=True):
                factor = (self.dampening * f_all / f_forget).clamp(max=1.0)
                selected = f_forget > self.selection * f_all
                weight.mul_(torch.where(selected, factor, torch.ones_like(factor)))
        yield
