"""Negative preference optimisation (Zhang et al., 2024, "From catastrophic collapse to effective unlearning")."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float
from tasks.unlearners.base import Passes, cross_entropy
from tasks.unlearners.forget_alone import ForgetAlone
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.problem import Problem


@dataclass(frozen=True)
class NegativePreferenceOptimisation(ForgetAlone):
    """Climb the forget loss less and less, the further it is above the original's (Zhang et al., 2024).

    Descend on CE(retain) + γ · mean −(2/β) log σ(−β log(p(y|x) / p0(y|x))) over the forget set, p0 being the
    original's probability of the label. β → 0 is gradient ascent; at θ0 the gradient is that of ascent for
    every β. Their method is for language models. The retain set ends an epoch; the forget set starts again.
    """

    verified: ClassVar[Verified] = Verified(
        "a port, locuslab/open-unlearning", ("npo begins as gradient ascent, whatever beta",)
    )
    passes: ClassVar[Passes] = Passes(retain=1, beside=1)

    inverse_temperature: Annotated[float, Float(1e-2, 1.0, log=True, above=0)] = 0.1
    """How soon β the ascent fades out."""
    forget_weight: Annotated[float, Float(1e-2, 1.0, log=True, least=0)] = 0.2
    """Weight γ of the forget loss."""
    batch_size: int = 256
    """Examples per step, of each set."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch."""
        import torch

        model, teacher = problem.model, problem.original()
        optimizer = self.optimizer(model, self.masks(problem))
        for _ in self.epochs_of(model):
            pairs = problem.retain.paired(
                problem.forget, self.batch_size, problem.rng, share=self.retain_share
            )
            for (x_r, y_r), (x_f, y_f) in pairs:
                with torch.no_grad():
                    before = log_probability(teacher(x_f), y_f)

                def differentiate() -> None:
                    # One after the other, the activations of both sets are never held at a time.
                    cross_entropy(model(x_r), y_r).backward()
                    with self.forget_pass(model):
                        log_ratio = log_probability(model(x_f), y_f) - before
                    loss = preference_loss(log_ratio, self.inverse_temperature)
                    (self.forget_weight * loss).backward()

                optimizer.move(differentiate)
            yield


def log_probability(logits: Tensor, labels: Tensor) -> Tensor:
    """Pick log softmax(logits)[label] for each example: (N,)."""
    return logits.log_softmax(1).gather(1, labels.unsqueeze(1)).squeeze(1)


def preference_loss(log_ratio: Tensor, beta: float) -> Tensor:
    """Compute mean −(2/β) log σ(−β · log_ratio) of log(p / p0) of (N,) labels to be unlearned (eq. 3)."""
    import torch

    return -2 / beta * torch.nn.functional.logsigmoid(-beta * log_ratio).mean()
