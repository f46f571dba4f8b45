"""What a solver is: it multiplies a vector by the inverse of the damped curvature."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.influence.objective import Objective

Report = Callable[[int, int], None]
"""Called with (steps done, steps in all)."""


@dataclass(frozen=True)
class Solver:
    """A method and its settings: the fields of a frozen dataclass, each with a default."""

    def solve(self, objective: Objective, target: Tensor, damping: float, report: Report) -> Tensor:
        """Return (G + damping · I)⁻¹ `target`, a vector of all trainable weights.

        G is the Gauss-Newton matrix of the objective: see `Objective.multiply`.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no solve()")
