"""Certified unlearning of Zhang et al. (2024, "Towards certified unlearning for deep neural networks", ICML)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float, Int
from tasks.unlearners.base import Passes, Unlearner, cross_entropy, trainable
from tasks.unlearners.steps.curvature import FURTHER_BACKWARDS, hessian_vector_product
from tasks.unlearners.steps.gradients import flatten, mean_gradient, split_like, write_weights
from tasks.unlearners.steps.noise import add_noise
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from tasks.datasets.splits import Batch
    from tasks.problem import Problem


@dataclass(frozen=True)
class StochasticNewton(Unlearner):
    """Take a Newton step on the retained loss, by a recursion over batches, and add noise (Zhang et al., 2024).

    g = ∇L_r(θ0) + λθ0; h = g, then h ← h + g − (∇²L_b + (λ + γ)I) h / scale for each batch b of the retain set
    (LiSSA, Agarwal et al., 2017); θ ← θ0 − h/scale + N(0, σ²). It carries NO certificate here: theirs wants a
    training that keeps ‖θ‖ ≤ C, and Lipschitz constants of loss and Hessian; this original model was trained without.
    Their code averages ten recursions over batches drawn with replacement, and its penalty is the sum of the
    layers' norms instead of λ/2·‖θ‖²; this is one recursion, pass after pass.
    """

    verified: ClassVar[Verified] = Verified(
        "authors' code, zhangbinchi/certified-deep-unlearning",
        ("certified deep without noise reaches the damped newton step",),
    )
    passes: ClassVar[Passes] = Passes(retain=1)
    preparation: ClassVar[Passes] = Passes(retain=1)
    counts_beside: ClassVar[bool] = True

    scale: Annotated[float, Float(3.0, 1e4, log=True, above=0)] = 20.0
    """Bound on the largest eigenvalue of the Hessian: below it the recursion diverges, far above it crawls."""
    convexity: Annotated[float, Float(1e-4, 1.0, log=True, above=0)] = 1e-2
    """Convex approximation γ, added to the Hessian."""
    sigma: Annotated[float, Float(1e-5, 1e-1, log=True, above=0)] = 1e-3
    """Standard deviation σ of the noise, drawn anew for each yield."""
    epochs: Annotated[int, Int(1, 20, least=1)] = 2
    """Passes of the recursion over the chosen share of the retain set."""
    retain_share: Annotated[float, Float(0.02, 1.0, log=True, above=0, most=1)] = 1.0
    """Share of the retain set that is read in a pass, and first for g."""
    weight_decay: float = 5e-4
    """Penalty λ of the training."""
    batch_size: int = 64
    """Examples of a step of the recursion."""

    @property
    def certificate(self) -> str:
        return "nothing: it needs a training within a norm of the weights and Lipschitz constants, and has neither"

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per pass of the recursion."""
        model, rng = problem.model.eval(), problem.rng
        weights = trainable(model)
        start = flatten(weights)

        def batches() -> Iterator[Batch]:
            return problem.retain.batches(
                self.batch_size, rng, share=self.retain_share, augment=False
            )

        gradient = mean_gradient(model, batches()) + self.weight_decay * start
        h, shift = gradient.clone(), self.weight_decay + self.convexity
        for _ in range(self.epochs):
            write_weights(model, start)
            for x, y in batches():
                loss = cross_entropy(model(x), y)
                product = hessian_vector_product(loss, weights, split_like(h, weights))
                problem.count_backwards(FURTHER_BACKWARDS * len(y))
                h = h + gradient - (flatten(product) + shift * h) / self.scale
            write_weights(model, start - h / self.scale)
            add_noise(weights, self.sigma, rng)
            yield
