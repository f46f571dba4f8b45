"""Forget, contrast, retain: first place of the NeurIPS 2023 unlearning challenge (Triantafillou et al., 2024).

"Are we making progress in unlearning?" describes the winners; the team is called fanchuan. The rule is that of the
winners' code as ported in "Deep unlearn" (Cadet et al., 2024, `kgltop1`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float, Int
from tasks.unlearners.base import Passes, cross_entropy, descend, sgd
from tasks.unlearners.forget_alone import ForgetAlone
from tasks.unlearners.steps.distillation import kl_divergence
from tasks.unlearners.steps.schedules import cosine, set_learning_rate
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.models.network import Network
    from tasks.problem import Problem

FINAL_LR = 1e-6


@dataclass(frozen=True)
class ForgetContrastRetain(ForgetAlone):
    """Flatten the outputs on the forget set, then set them apart from those on the retain set (fanchuan, 2023).

    One pass down KL(uniform ‖ p) on the forget set. Then each epoch: a pass down mean −log softmax(F_f F_rᵀ / T), with
    F_f the logits of a forget batch and F_r, a constant, those of a retain batch; and a pass down CE(retain).
    The three have an optimiser each. The contrast ends with the shorter set.
    """

    verified: ClassVar[Verified] = Verified(
        "a port, xcadet/deepunlearn",
        (
            "fcs flattens, contrasts and repairs with an optimiser each",
            "the contrast is least where all are equally near",
        ),
    )
    anytime: ClassVar[bool] = False
    passes: ClassVar[Passes] = Passes(retain=1, forget=1)
    preparation: ClassVar[Passes] = Passes(forget=1)

    lr: Annotated[float, Float(1e-4, 1e-1, log=True, above=0)] = 4e-3
    """SGD learning rate on the retain set: the authors' 0.001 for 64 examples, in proportion."""
    epochs: Annotated[int, Int(1, 10, least=1)] = 8
    """Rounds of contrast and repair; the schedule of the contrast depends on it."""
    flatten_lr: Annotated[float, Float(1e-4, 1e-1, log=True, above=0)] = 5e-3
    """SGD learning rate of the first pass."""
    contrast_lr: Annotated[float, Float(1e-5, 2e-2, log=True, above=0)] = 3e-4
    """SGD learning rate of the contrast at the start; along a cosine it falls to 1e-6."""
    temperature: Annotated[float, Float(0.5, 5.0, log=True, above=0)] = 1.15
    """Temperature T of the contrast."""
    weight_decay: float = 1e-2
    """L2 penalty towards zero, on the retain set."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch; only the last counts."""
        model, rng = problem.model, problem.rng
        masks = self.masks(problem)
        repair = self.optimizer(model, masks)
        flatten, contrast = (
            self.with_options(sgd(model, lr, self.momentum), model, masks)
            for lr in (self.flatten_lr, self.contrast_lr)
        )
        model.train()
        with self.forget_pass(model):
            for x, _ in self.forget_batches(problem):
                descend(flatten, lambda: distance_from_uniform(model(x)))
        done, total = 0, self.epochs * problem.forget.steps(self.batch_size)
        for _ in self.epochs_of(model):
            pairs = zip(self.forget_batches(problem), problem.retain.batches(self.batch_size, rng))  # noqa: B905
            for (x_f, _), (x_r, _) in pairs:
                set_learning_rate(contrast, cosine(self.contrast_lr, done / total, FINAL_LR))
                descend(contrast, lambda: self.contrast(model, x_f, x_r))
                done += 1
            for x, y in self.retain_batches(problem):
                descend(repair, lambda: cross_entropy(model(x), y))
            yield

    def contrast(self, model: Network, forget: Tensor, retain: Tensor) -> Tensor:
        """Contrast a batch of the forget set with one of the retain set, whose outputs are held constant."""
        import torch

        with self.forget_pass(model):
            forgotten = model(forget)
        with torch.no_grad():
            retained = model(retain)
        return contrast_loss(forgotten, retained, self.temperature)


def distance_from_uniform(logits: Tensor) -> Tensor:
    """Compute KL(uniform ‖ softmax(logits)) of logits (N, classes)."""
    import torch

    return kl_divergence(logits, torch.full_like(logits, 1 / logits.shape[1]))


def contrast_loss(forgotten: Tensor, retained: Tensor, temperature: float) -> Tensor:
    """Compute mean −log softmax over the retain batch of F_f F_rᵀ / T: (F, classes) and (R, classes) to a scalar.

    It is least where an example is equally near to all of the retain batch.
    """
    return -(forgotten @ retained.T / temperature).log_softmax(1).mean()
