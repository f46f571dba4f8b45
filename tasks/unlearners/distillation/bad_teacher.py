"""Bad teaching (Chundawat et al., 2023, "Can bad teaching induce forgetting?", section 4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float, Int
from tasks.unlearners.base import Passes, Unlearner, step, trainable
from tasks.unlearners.steps.batches import count_share, mixed_batches
from tasks.unlearners.steps.distillation import kl_divergence, soft_targets
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from tasks.problem import Problem


@dataclass(frozen=True)
class BadTeacher(Unlearner):
    """Imitate an untrained model on the forget set and the original on the rest (Chundawat et al., 2023).

    Descend by Adam on KL(target ‖ student), where the target is softmax(f_blank / T) on the forget set and
    softmax(f_θ0 / T) on a part of the retain set that is drawn once; batches mix the two. The authors' code
    also divides by the number of classes (torch's default reduction), and has no factor T².
    """

    verified: ClassVar[Verified] = Verified(
        "authors' code, vikram2000b/bad-teaching-unlearning",
        (
            "a bad teacher that is the original teaches nothing",
            "bad teaching imitates the blank on the forget set alone",
        ),
    )
    passes: ClassVar[Passes] = Passes(retain=1, forget=1)

    lr: Annotated[float, Float(1e-5, 1e-2, log=True, above=0)] = 1e-3
    """Adam learning rate; the authors' is 1e-4, over hundreds of steps."""
    epochs: Annotated[int, Int(1, 5, least=1)] = 3
    """Passes over the forget set and the chosen part of the retain set."""
    retain_share: Annotated[float, Float(0.05, 1.0, log=True, above=0, most=1)] = 0.3
    """Share of the retain set that is used, the same in all epochs."""
    temperature: Annotated[float, Float(1.0, 5.0, above=0)] = 1.0
    """Temperature T of all outputs."""
    batch_size: int = 256
    """Examples per step."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch."""
        from tasks.compute.adam import Adam

        model, rng, temperature = problem.model, problem.rng, self.temperature
        good, bad = problem.original(), problem.blank().eval().requires_grad_(False)
        retain = problem.retain.subset(count_share(problem.retain, self.retain_share), rng)
        optimizer = Adam(trainable(model), self.lr)
        for _ in range(self.epochs):
            model.train()
            for x, _, forgotten in mixed_batches(retain, problem.forget, self.batch_size, rng):
                target = soft_targets(good, x, temperature)
                if forgotten.any():
                    target[forgotten] = soft_targets(bad, x[forgotten], temperature)
                step(optimizer, kl_divergence(model(x), target, temperature))
            yield
