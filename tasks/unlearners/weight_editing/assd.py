"""Adaptive selective synaptic dampening (Schoepf et al., 2024, "Parameter-tuning-free data entry error unlearning
with adaptive selective synaptic dampening")."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
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
class AdaptiveDampening(Unlearner):
    """Dampen as SSD does, with a threshold that selects ln(1 + 100·n_f/n) % of the weights (Schoepf et al., 2024).

    α is the (100 − ln(1 + 100·n_f/n))-th percentile of F_f / F_D over all weights, and λ = 1. Nothing to search but
    how much is read. Weights that matter to neither set (0/0) are left out of the percentile.
    """

    verified: ClassVar[Verified] = Verified(
        "authors' code, if-loops/adaptive-selective-synaptic-dampening",
        ("assd selects the share that the size of the forget set says",),
    )
    passes: ClassVar[Passes] = Passes(forget=1, both=1)
    deterministic: ClassVar[bool] = True

    retain_share: Annotated[float, Float(0.02, 1.0, log=True, above=0, most=1)] = 1.0
    """Share of all the data on which the importances F_D are estimated."""
    batch_size: int = 64
    """Examples whose mean gradient is squared."""
    mixed: bool = False
    """Whether the batches for F_D mix both sets; it changes which weights are selected, not how many."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields once."""
        of_forget, of_all = compare_importances(
            problem, batch_size=self.batch_size, mixed=self.mixed, share=self.retain_share
        )
        forgotten = len(problem.forget) / (len(problem.forget) + len(problem.retain))
        alpha = ratio_percentile(of_forget, of_all, 100 - math.log(1 + 100 * forgotten))
        dampen(trainable(problem.model), of_forget, of_all, selection=alpha, strength=1.0)
        yield


def ratio_percentile(
    of_forget: Sequence[Tensor], of_all: Sequence[Tensor], percentile: float
) -> float:
    """Compute a percentile (0..100) of the entries of `of_forget` / `of_all`, ranked across the tensors."""
    import numpy as np

    ratios = [(f / d).flatten().cpu().numpy() for f, d in zip(of_forget, of_all, strict=True)]
    return float(np.nanpercentile(np.concatenate(ratios), percentile))
