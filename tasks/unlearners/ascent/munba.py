"""MUNBa (Wu and Harandi, 2025, "MUNBa: Machine unlearning via Nash bargaining")."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float
from tasks.unlearners.base import Passes, cross_entropy, trainable
from tasks.unlearners.forget_alone import ForgetAlone
from tasks.unlearners.steps.gradients import bargained, flat_gradient, set_gradient
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from tasks.problem import Problem

FALLBACK = 0.1
"""Weight of the forget set's gradient where the two do not come to terms."""


@dataclass(frozen=True)
class NashBargaining(ForgetAlone):
    """Step along what the two sets' gradients agree on in Nash's bargaining game (Wu and Harandi, 2025).

    With a = ∇CE(retain), b = ∇CE(forget, random labels, the right one among them) and c their cosine:
    θ ← θ − η · (a/‖a‖ + b/‖b‖) / √(1 + c), clipped to a norm of 1; a + b/10 where there is no agreement. The
    retain set ends an epoch, alone once the forget set is used up. The closed form of the authors' code.
    """

    verified: ClassVar[Verified] = Verified(
        "authors' code, JingWu321/MUNBa",
        (
            "a bargain solves the equation of the game",
            "munba steps along the bargain and then on the retain set alone",
        ),
    )
    passes: ClassVar[Passes] = Passes(retain=1, beside_once=1)

    lr: Annotated[float, Float(1e-3, 3e-1, log=True, above=0)] = 5e-2
    """SGD learning rate; the authors' is 1e-2, for more steps."""
    clip: Annotated[float, Float(0.1, 2.0, log=True, above=0)] = 1.0
    """Largest norm of the joint gradient; it is √2 before, where the two agree."""
    batch_size: int = 256
    """Examples per step, of each set."""
    # Its steps are along a compromise of two gradients, not the gradient of a loss.
    sam: ClassVar[float] = 0.0  # type: ignore[misc]

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch."""
        import torch

        from tasks.datasets.splits import send_to_device

        model = problem.model
        optimizer, weights = self.optimizer(model, self.masks(problem)), trainable(model)
        for _ in self.epochs_of(model):
            forget = self.forget_batches(problem)
            for x, y in self.retain_batches(problem):
                gradient = flat_gradient(cross_entropy(model(x), y), weights)
                if (beside := next(forget, None)) is not None:
                    any_label = torch.randint(
                        problem.classes, beside[1].shape, generator=problem.rng
                    )
                    labels = send_to_device(any_label, problem.device)
                    with self.forget_pass(model):
                        other = flat_gradient(cross_entropy(model(beside[0]), labels), weights)
                    joint = bargained(gradient, other)
                    gradient = gradient + FALLBACK * other if joint is None else joint
                    gradient = gradient * (self.clip / gradient.norm()).clamp(max=1)
                set_gradient(weights, gradient)
                optimizer.step()
            yield
