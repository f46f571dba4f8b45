"""LiSSA (Agarwal et al., 2017, "Second-order stochastic optimization for machine learning in linear time"),
as Koh and Liang (2017, section 3) use it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.influence.solver import Report, Solver

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from tasks.datasets.splits import Batch
    from tasks.influence.objective import Objective


@dataclass(frozen=True)
class LiSSA(Solver):
    """A Neumann series, each of whose factors is estimated on a random batch.

    h ← v + h − (G_B + λI) h / σ, and the solution is h / σ. It converges if σ is above the largest
    eigenvalue of every G_B + λI; after σ / λ steps the start is forgotten. The mean over the last half of
    the steps is returned, because each h has the noise of its batches.
    """

    steps: int = 5000
    """Products with the curvature of a batch."""
    batch_size: int = 64
    """Examples per step."""
    scale: float = 0.0
    """σ; 0 takes twice the largest eigenvalue of a few batches, and doubles it if the series diverges."""
    seed: int = 0
    """Seed of the batches."""

    def solve(self, objective: Objective, target: Tensor, damping: float, report: Report) -> Tensor:
        """See `Solver.solve`."""
        import torch

        scale = self.scale or 2 * (self._largest_eigenvalue(objective, target) + damping)
        while True:
            rng = torch.Generator().manual_seed(self.seed)
            found = self._sum_series(objective, target, damping, scale, rng, report)
            if found is not None:
                return found
            scale *= 2

    def _sum_series(
        self,
        objective: Objective,
        target: Tensor,
        damping: float,
        scale: float,
        rng: torch.Generator,
        report: Report,
    ) -> Tensor | None:
        """Return the solution; None if the series diverges, which its norm shows: |v| / λ bounds the solution's."""
        import torch

        h, mean, half = target.clone(), torch.zeros_like(target), self.steps // 2
        bound = 10 * scale / damping * target.norm()
        for step, batch in enumerate(itertools.islice(self._batches(objective, rng), self.steps)):
            h = target + h - (objective.multiply(h, [batch]) + damping * h) / scale
            if step >= half:
                mean += h / (self.steps - half)
            report(step + 1, self.steps)
            if not h.norm() <= bound:
                return None
        return mean / scale

    def _batches(self, objective: Objective, rng: torch.Generator) -> Iterator[Batch]:
        """Read random batches for ever, each example as often as any other."""
        while True:
            yield from objective.split.batches(self.batch_size, rng, augment=False)

    def _largest_eigenvalue(self, objective: Objective, like: Tensor) -> float:
        """Estimate the largest eigenvalue of the curvature of a batch: power iteration on each of five."""
        import torch

        rng = torch.Generator().manual_seed(self.seed)
        largest = 0.0
        for batch in itertools.islice(self._batches(objective, rng), 5):
            vector = torch.randn(like.shape, generator=rng).to(like)
            for _ in range(10):
                vector = objective.multiply(vector / vector.norm(), [batch])
            largest = max(largest, float(vector.norm()))
        return largest
