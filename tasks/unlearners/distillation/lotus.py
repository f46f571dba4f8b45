"""LoTUS (Spartalis et al., 2025, "LoTUS: Large-scale machine unlearning with a taste of uncertainty", CVPR)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.needs import CALIBRATION
from tasks.search_space import Categorical, Float, Int
from tasks.unlearners.base import Passes, Unlearner, step, trainable
from tasks.unlearners.steps.batches import count_share, mixed_batches
from tasks.unlearners.steps.distillation import is_correct
from tasks.unlearners.steps.noise import gumbel_noise
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from tasks.problem import Problem

TOO_FAR = -0.01
"""Difference of the accuracies at which the authors' code stops."""


@dataclass(frozen=True)
class LogitTempering(Unlearner):
    """Flatten the outputs on the forget set until it is known as badly as unseen images (Spartalis et al., 2025).

    Before each epoch d = accuracy of the student on the forget set − accuracy of the original on the calibration split
    (0 if whole classes are forgotten), and τ = e^(α·d); it stops at d ≤ −0.01. Descend by AdamW on −Σ t·log p over the
    forget set and a part of the retain set that is drawn once. With f the original's logits and g Gumbel noise,
    t = softmax((f + g) / τ) on the forget set and one-hot(argmax(f + g)) on the retain set.
    """

    verified: ClassVar[Verified] = Verified(
        "authors' code, cspartalis/LoTUS",
        (
            "lotus tempers the original on the forget set",
            "lotus draws its targets from the original's probabilities",
        ),
    )
    needs: ClassVar[frozenset[str]] = frozenset({CALIBRATION})
    passes: ClassVar[Passes] = Passes(retain=1, forget=1)

    lr: Annotated[float, Float(1e-5, 1e-2, log=True, above=0)] = 1e-3
    """AdamW's learning rate; the authors' is 1e-4, over hundreds of steps."""
    epochs: Annotated[int, Int(1, 10, least=1)] = 5
    """Passes over the forget set and the chosen part of the retain set, at most."""
    sharpness: Annotated[float, Float(1.0, 16.0, log=True, above=0)] = 8.0
    """Factor α of the temperature's exponent: 8 for CIFAR-10, 2 for CIFAR-100."""
    gumbel: Annotated[bool, Categorical((True, False))] = True
    """Whether the targets are drawn with Gumbel noise, as by default in the authors' code."""
    retain_share: Annotated[float, Float(0.05, 1.0, log=True, above=0, most=1)] = 0.3
    """Share of the retain set that is used, the same in all epochs."""
    weight_decay: float = 5e-4
    """AdamW's decoupled weight decay."""
    batch_size: int = 128
    """Examples per step."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch, fewer than `epochs` if it stops; once if it stops before the first."""
        import torch

        from tasks.compute.adam import Adam

        model, rng, teacher = problem.model, problem.rng, problem.original()
        retain = problem.retain.subset(count_share(problem.retain, self.retain_share), rng)
        optimizer = Adam(trainable(model), self.lr, self.weight_decay, decoupled=True)
        unseen = unseen_accuracy(problem)
        for epoch in range(self.epochs):
            ahead = float(is_correct(model, problem.forget)[0].double().mean()) - unseen
            if ahead <= TOO_FAR:
                if not epoch:  # the original is then the result
                    yield
                return
            temperature = math.exp(self.sharpness * ahead)
            model.train()
            for x, _, forgotten in mixed_batches(retain, problem.forget, self.batch_size, rng):
                with torch.no_grad():
                    target = self.targets(teacher(x), forgotten, temperature, rng)
                step(optimizer, -(target * model(x).log_softmax(1)).sum(1).mean())
            yield

    def targets(
        self, logits: Tensor, forgotten: Tensor, temperature: float, rng: torch.Generator
    ) -> Tensor:
        """Return the targets (N, classes) for a teacher's logits (N, classes), of which some are `forgotten` (N,)."""
        import torch

        if self.gumbel:
            logits = logits + gumbel_noise(logits, rng)
        sure = torch.nn.functional.one_hot(logits.argmax(1), logits.shape[1]).to(logits.dtype)
        return torch.where(forgotten[:, None], (logits / temperature).softmax(1), sure)


def unseen_accuracy(problem: Problem) -> float:
    """Return the accuracy that forgetting aims at: the original's on unseen images, 0 for whole classes."""
    assert problem.calibration is not None
    if problem.forgotten_classes:
        return 0.0
    return float(is_correct(problem.original(), problem.calibration)[0].double().mean())
