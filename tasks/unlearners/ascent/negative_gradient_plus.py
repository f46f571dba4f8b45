"""NegGrad+ (Kurmanji et al., 2023, "Towards unbounded machine unlearning", section 3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float
from tasks.unlearners.base import Passes, cross_entropy
from tasks.unlearners.forget_alone import ForgetAlone
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from tasks.problem import Problem


@dataclass(frozen=True)
class NegativeGradientPlus(ForgetAlone):
    """Descend on α·CE(retain) − (1 − α)·CE(forget) (Kurmanji et al., 2023).

    The retain set ends an epoch; the forget set starts again whenever it is used up. So a small retain
    share sees only a part of the forget set in an epoch: a batch beside each batch of the retain set.
    """

    verified: ClassVar[Verified] = Verified(
        "authors' code, meghdadk/SCRUB",
        ("negative gradient plus is the weighted difference of the two losses",),
    )
    passes: ClassVar[Passes] = Passes(retain=1, beside=1)

    retain_weight: Annotated[float, Float(0.8, 0.999, least=0, most=1)] = 0.95
    """Share α of the retain loss in the total."""
    batch_size: int = 256
    """Examples per step, of each set."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch."""
        model, alpha = problem.model, self.retain_weight
        optimizer = self.optimizer(model, self.masks(problem))
        for _ in self.epochs_of(model):
            pairs = problem.retain.paired(
                problem.forget, self.batch_size, problem.rng, share=self.retain_share
            )
            for (x_r, y_r), (x_f, y_f) in pairs:

                def differentiate() -> None:
                    # One after the other, the activations of both sets are never held at a time.
                    (alpha * cross_entropy(model(x_r), y_r)).backward()
                    with self.forget_pass(model):
                        ((alpha - 1) * cross_entropy(model(x_f), y_f)).backward()

                optimizer.move(differentiate)
            yield
