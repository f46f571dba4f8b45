"""KDE: sixth place of the NeurIPS 2023 unlearning challenge (Triantafillou et al., 2024).

"Are we making progress in unlearning?" describes the winners; the entry is called "Unlearning by resetting layers". The
rule is that of the winners' code as ported in "Deep unlearn" (Cadet et al., 2024, `kgltop6`), which calls it KDE.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.needs import CALIBRATION
from tasks.search_space import Float, Int
from tasks.unlearners.base import Passes, SGDUnlearner, cross_entropy, descend, sgd
from tasks.unlearners.steps.blocks import convolutions
from tasks.unlearners.steps.distillation import soft_targets
from tasks.unlearners.steps.schedules import cosine, set_learning_rate
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.problem import Problem


@dataclass(frozen=True)
class ResetAndDistil(SGDUnlearner):
    """Reset the first convolution and the head, then distil the original into them (Triantafillou et al., 2024).

    First a few epochs down KL(p0 ‖ p) at temperature T on the calibration split, which the original never saw. Then
    epochs down CE + H(p0, p) + KL(p0 ‖ p) on the retain set, the last two at T and without the factor T². The second
    learning rate falls along a cosine, once an epoch. A first convolution that never learns is passed over; where there
    is none, the head alone is reset, as in the port.
    """

    verified: ClassVar[Verified] = Verified(
        "a port, xcadet/deepunlearn",
        ("kde warms up on calibration and goes on with the retain set",),
    )
    needs: ClassVar[frozenset[str]] = frozenset({CALIBRATION})
    anytime: ClassVar[bool] = False
    passes: ClassVar[Passes] = Passes(retain=1)
    preparation: ClassVar[Passes] = Passes(calibration=1, times=("warmup_epochs",))

    lr: Annotated[float, Float(1e-3, 3e-1, log=True, above=0)] = 1e-2
    """SGD learning rate on the retain set at the start; the winners' is 1e-3."""
    epochs: Annotated[int, Int(1, 10, least=1)] = 3
    """Passes over the chosen share of the retain set; the learning rate's schedule depends on it."""
    warmup_lr: Annotated[float, Float(5e-4, 1e-1, log=True, above=0)] = 1e-2
    """SGD learning rate on the calibration split; the winners' is 9e-4."""
    warmup_epochs: Annotated[int, Int(1, 10, least=1)] = 3
    """Passes over the calibration split."""
    retain_share: Annotated[float, Float(0.1, 1.0, log=True, above=0, most=1)] = 1.0
    """Share of the retain set visited in an epoch, drawn anew each time."""
    temperature: Annotated[float, Float(1.0, 10.0, above=0)] = 5.0
    """Temperature T of both models' outputs."""
    batch_size: int = 64
    """Examples per step."""
    # A mask makes no sense: weights that are drawn anew do not keep their values.
    mask: ClassVar[str] = "none"  # type: ignore[misc]
    mask_share: ClassVar[float] = 1.0  # type: ignore[misc]

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch; only the last counts."""
        assert problem.calibration is not None
        model, teacher, rng = problem.model, problem.original(), problem.rng
        reset_ends(problem)
        warmup = self.with_options(
            sgd(model, self.warmup_lr, self.momentum, self.weight_decay), model
        )
        model.train()
        for _ in range(self.warmup_epochs):
            for x, _ in problem.calibration.batches(self.batch_size, rng):
                target = soft_targets(teacher, x, self.temperature)
                descend(warmup, lambda: self.distances(model(x), target)[1])
        optimizer = self.optimizer(model)
        for epoch in self.epochs_of(model):
            set_learning_rate(optimizer, cosine(self.lr, epoch / self.epochs))
            for x, y in self.retain_batches(problem):
                target = soft_targets(teacher, x, self.temperature)
                descend(optimizer, lambda: self.retain_loss(model(x), y, target))
            yield

    def retain_loss(self, logits: Tensor, labels: Tensor, target: Tensor) -> Tensor:
        """Compute CE + H(p0, p) + KL(p0 ‖ p), averaged over the batch; p0 is `target`."""
        return cross_entropy(logits, labels) + sum(self.distances(logits, target))

    def distances(self, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Compute H(p0, p) and KL(p0 ‖ p) at the temperature, averaged over the batch; p0 is `target`."""
        logs = (logits / self.temperature).log_softmax(1)
        crossed = -(target * logs).sum(1).mean()
        return crossed, crossed + target.xlogy(target).sum(1).mean()


def reset_ends(problem: Problem) -> None:
    """Draw the first convolution that learns and the head anew."""
    model = problem.model
    for part in (*convolutions(model)[:1], model.head):
        model.reset(part, problem.rng)
