"""Conjugate gradients (Hestenes and Stiefel, 1952; for deep networks: Martens, 2010, "Deep learning via
Hessian-free optimization")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.influence.solver import Report, Solver
from tasks.unlearners.steps.curvature import conjugate_gradients

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.influence.objective import Objective


@dataclass(frozen=True)
class ConjugateGradients(Solver):
    """Conjugate gradients: exact after as many steps as there are weights, close to it after far fewer."""

    steps: int = 100
    """Most products with the curvature, each about three gradients of all the examples."""
    tolerance: float = 1e-4
    """Stops when a step changes the solution by this share of its norm or less."""

    def solve(self, objective: Objective, target: Tensor, damping: float, report: Report) -> Tensor:
        """See `Solver.solve`."""

        def multiply(vector: Tensor) -> Tensor:
            return objective.multiply(vector) + damping * vector

        solution = target.new_zeros(())
        for step, found in enumerate(conjugate_gradients(multiply, target, self.steps)):
            change, solution = (found - solution).norm(), found
            report(step + 1, self.steps)
            if change <= self.tolerance * solution.norm():
                break
        return solution
