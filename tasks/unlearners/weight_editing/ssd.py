"""Selective synaptic dampening (Foster et al., 2024, "Fast machine unlearning without retraining")."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float
from tasks.unlearners.base import Passes, Unlearner, trainable
from tasks.unlearners.steps.dampening import compare_importances, dampen
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from tasks.problem import Problem


@dataclass(frozen=True)
class SelectiveSynapticDampening(Unlearner):
    """Shrink the weights that matter far more to the forget set than to all the data (Foster et al., 2024).

    With diagonal Fisher importances F: where F_f > α·F_D, θ ← θ · min(1, λ·F_D / F_f) (eqs. 3-6).
    No training. How batches are made up decides what α means: see `mixed`.
    """

    verified: ClassVar[Verified] = Verified(
        "authors' code, if-loops/selective-synaptic-dampening",
        (
            "ssd dampens by the ratio of the importances",
            "importances of single examples differ by at most the share of the forget set",
        ),
    )
    passes: ClassVar[Passes] = Passes(forget=1, both=1)
    deterministic: ClassVar[bool] = True

    selection: Annotated[float, Float(0.5, 100.0, log=True, above=0)] = 10.0
    """Threshold α: how many times more important to the forget set a weight must be."""
    dampening: Annotated[float, Float(0.05, 2.0, above=0)] = 1.0
    """Strength λ of what is left of a selected weight."""
    retain_share: Annotated[float, Float(0.02, 1.0, log=True, above=0, most=1)] = 1.0
    """Share of all the data on which the importances F_D are estimated."""
    batch_size: int = 64
    """Examples whose mean gradient is squared; the authors take 64 for classes, 128 for random examples."""
    mixed: bool = False
    """Whether the batches for F_D mix both sets. The authors' hold one set each, in stored order, which
    bounds F_f / F_D much more tightly; mixed, the same α selects many more weights."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields once."""
        of_forget, of_all = compare_importances(
            problem, batch_size=self.batch_size, mixed=self.mixed, share=self.retain_share
        )
        dampen(
            trainable(problem.model),
            of_forget,
            of_all,
            selection=self.selection,
            strength=self.dampening,
        )
        yield
