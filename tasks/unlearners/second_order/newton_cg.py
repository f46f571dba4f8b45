"""A Newton step by conjugate gradients (Guo et al., 2020, "Certified data removal from machine learning models",
section 3; influence functions: Koh and Liang, 2017; the solver: Martens, 2010, "Deep learning via Hessian-free
optimization")."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float, Int
from tasks.unlearners.base import Passes, Unlearner, trainable
from tasks.unlearners.steps.batches import count_share
from tasks.unlearners.steps.curvature import conjugate_gradients, mean_hessian_product
from tasks.unlearners.steps.gradients import flatten, mean_gradient, write_weights
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.problem import Problem


@dataclass(frozen=True)
class NewtonStep(Unlearner):
    """Take one Newton step towards the minimum of the retained loss (Guo et al., 2020).

    θ ← θ0 + α·(H_r + λI)⁻¹ (1/n_r) Σ ∇ℓ over the forget set, with H_r the Hessian of the mean loss of the retain
    set; exact for a quadratic loss that is minimal at θ0, with λ = 0 and α = 1. Guo et al. take it for linear models,
    where it carries a certificate; for a network it carries none. The system is solved by conjugate gradients,
    a step an epoch; along a direction of negative curvature they stop, so that λ should exceed it.
    """

    verified: ClassVar[Verified] = Verified(
        "the paper (Guo et al., 2020)", ("the newton step solves the damped system",)
    )
    passes: ClassVar[Passes] = Passes(retain=1)
    preparation: ClassVar[Passes] = Passes(forget=1)
    counts_beside: ClassVar[bool] = True

    damping: Annotated[float, Float(1e-4, 1.0, log=True, above=0)] = 1e-2
    """Damping λ, added to the Hessian."""
    strength: Annotated[float, Float(0.3, 100.0, log=True, above=0)] = 1.0
    """Factor α of the step; Newton's own is 1."""
    epochs: Annotated[int, Int(1, 100, log=True, least=1)] = 5
    """Steps of conjugate gradients: a product with the Hessian each, three times the price of a gradient."""
    retain_share: Annotated[float, Float(0.02, 1.0, log=True, above=0, most=1)] = 0.3
    """Share of the retain set on which the Hessian is estimated, the same in every step."""
    batch_size: int = 256
    """Examples whose graph is held at a time; it changes no result."""

    @property
    def certificate(self) -> str:
        return "nothing: it needs a linear model, and a training with noise in its loss"

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per step of conjugate gradients."""
        model, retain = problem.model.eval(), problem.retain
        part = retain
        if self.retain_share < 1:
            part = retain.subset(count_share(retain, self.retain_share), problem.rng)
        start = flatten(trainable(model))
        gradient = mean_gradient(model, problem.forget.ordered(self.batch_size))

        def multiply(vector: Tensor) -> Tensor:
            write_weights(model, start)
            batches = part.ordered(self.batch_size)
            product = mean_hessian_product(model, batches, vector, problem.count_backwards)
            return product + self.damping * vector

        target = len(problem.forget) / len(retain) * gradient
        for solution in conjugate_gradients(multiply, target, self.epochs):
            write_weights(model, start + self.strength * solution)
            yield
