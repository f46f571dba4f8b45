"""SCRUB and SCRUB+R (Kurmanji et al., 2023, "Towards unbounded machine unlearning", section 3, eqs. 3-5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.needs import CALIBRATION
from tasks.search_space import Float, Int
from tasks.unlearners.base import Passes, cross_entropy, descend
from tasks.unlearners.forget_alone import ForgetAlone
from tasks.unlearners.steps.distillation import (
    is_correct,
    kl_divergence,
    matched_error,
    soft_targets,
)
from tasks.unlearners.steps.schedules import set_learning_rate
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.problem import Problem

DECAY_AFTER = (3, 5, 9)
"""Epochs after which the authors' code divides the learning rate by ten."""


@dataclass(frozen=True)
class Scrub(ForgetAlone):
    """Move away from the original's outputs on the forget set and stay near on the retain set (Kurmanji et al., 2023).

    With p0 the original's probabilities at temperature T, p the student's: in each of the first m epochs a pass
    up T²·KL(p0 ‖ p) on the forget set, then in every epoch a pass down γ·CE + α·T²·KL(p0 ‖ p) on the
    retain set. The batches of the forget set are smaller: their number decides how far it moves away.
    """

    verified: ClassVar[Verified] = Verified(
        "authors' code, meghdadk/SCRUB",
        ("scrub climbs on the forget set and descends on the retain set",),
    )
    passes: ClassVar[Passes] = Passes(retain=1, also=(Passes(forget=1, first="forget_epochs"),))

    lr: Annotated[float, Float(1e-4, 1e-1, log=True, above=0)] = 5e-4
    """SGD learning rate of the first epochs."""
    epochs: Annotated[int, Int(1, 10, least=1)] = 3
    """Passes over the chosen share of the retain set."""
    forget_epochs: Annotated[int, Int(1, 5, least=1)] = 2
    """Epochs m, from the first, that begin with a pass over the forget set; at most `epochs` count."""
    teacher_weight: Annotated[float, Float(1e-3, 5.0, log=True, least=0)] = 1e-3
    """Weight α of the distance to the original on the retain set."""
    label_weight: Annotated[float, Float(0.9, 1.0, least=0, most=1)] = 0.99
    """Weight γ of the cross-entropy on the retain set."""
    temperature: Annotated[float, Float(1.0, 5.0, above=0)] = 4.0
    """Temperature T of both models' outputs."""
    batch_size: int = 128
    """Examples per step on the retain set."""
    forget_batch_size: Annotated[int, Int(16, 256, log=True, least=1)] = 32
    """Examples per step on the forget set."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch."""
        model, teacher, temperature = problem.model, problem.original(), self.temperature
        optimizer = self.optimizer(model, self.masks(problem))
        for epoch in self.epochs_of(model):
            set_learning_rate(optimizer, self.lr * 0.1 ** sum(epoch >= e for e in DECAY_AFTER))
            if epoch < self.forget_epochs:
                with self.forget_pass(model):
                    for x, _ in problem.forget.batches(self.forget_batch_size, problem.rng):
                        target = soft_targets(teacher, x, temperature)
                        descend(optimizer, lambda: -kl_divergence(model(x), target, temperature))
            for x, y in self.retain_batches(problem):
                target = soft_targets(teacher, x, temperature)
                descend(optimizer, lambda: self.retain_loss(model(x), y, target))
            yield

    def retain_loss(self, logits: Tensor, labels: Tensor, target: Tensor) -> Tensor:
        """Compute what is descended on on the retain set, of logits (N, classes) and the teacher's `target`."""
        loss = self.label_weight * cross_entropy(logits, labels)
        return loss + self.teacher_weight * kl_divergence(logits, target, self.temperature)


@dataclass(frozen=True)
class ScrubRewind(Scrub):
    """Run SCRUB, then go back to the epoch that knows the forget set as badly as unseen images (Kurmanji et al., 2023).

    The unseen images are the calibration split, its classes weighted as they are in the forget set; the authors' code
    takes the images of the forgotten classes as they come. Their error under the last epoch's model is the aim. The
    result is the model of the first epoch whose error on the forget set is nearest to that.
    """

    verified: ClassVar[Verified] = Verified(
        "authors' code, meghdadk/SCRUB",
        ("scrub r goes back to the epoch that errs as on unseen images",),
    )
    needs: ClassVar[frozenset[str]] = frozenset({CALIBRATION})
    anytime: ClassVar[bool] = False

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch; only the last counts, before which it goes back."""
        assert problem.calibration is not None
        model, states, errors = problem.model, [], []
        for _ in super().unlearn(problem):
            correct, labels = is_correct(model, problem.forget)
            errors.append(1 - float(correct.double().mean()))
            states.append({n: t.detach().clone() for n, t in model.state_dict().items()})
            if len(states) == self.epochs:
                aim = matched_error(model, problem.calibration, labels)
                model.load_state_dict(states[nearest(errors, aim)])
            yield


def nearest(errors: Sequence[float], aim: float) -> int:
    """Return the position of the error that is nearest to `aim`, of equally near ones the first."""
    return min(range(len(errors)), key=lambda n: abs(errors[n] - aim))
