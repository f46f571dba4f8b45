"""GDR-GMA (Lin et al., 2024, "GDR-GMA: Machine unlearning via direction-rectified and magnitude-adjusted
gradients", ACM MM).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float
from tasks.unlearners.base import Passes, cross_entropy, trainable
from tasks.unlearners.forget_alone import ForgetAlone
from tasks.unlearners.steps.gradients import without_conflict
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.problem import Problem


@dataclass(frozen=True)
class RectifiedGradients(ForgetAlone):
    """Step along both sets' gradients without their conflict, weighted by the retain loss (Lin et al., 2024).

    For each tensor r = ∇CE(retain) and t = −∇CE(forget): where r·t < 0, r' = r − (r·t/‖t‖²) t and then
    t' = t − (r·t/‖r‖²) r'. AdamW steps along (1 − λ) r' + λ t', λ = σ(−slope · (CE(retain) − threshold)). From the
    second epoch on, the last tensor's t' is also freed of its conflict with the mean of the remembered t that
    oppose it. The authors end an epoch with the shorter set, here the retain set's share does.
    """

    verified: ClassVar[Verified] = Verified(
        "authors' code, RUIYUN-ML/GDR-GMA",
        (
            "rectified gradients are freed of their conflict in the authors' order",
            "gdr-gma weighs the two by the retain loss",
        ),
    )
    passes: ClassVar[Passes] = Passes(retain=1, beside=1)

    lr: Annotated[float, Float(1e-5, 1e-2, log=True, above=0)] = 1e-4
    """AdamW's learning rate."""
    threshold: Annotated[float, Float(5e-3, 5.0, log=True, above=0)] = 0.02
    """Retain loss above which the retain set has the greater weight."""
    slope: float = 100.0
    """How sharply the weight turns at the threshold."""
    momentum: ClassVar[float] = 0.9  # type: ignore[misc]
    weight_decay: float = 1e-2
    """AdamW's decoupled weight decay."""
    batch_size: int = 256
    """Examples per step, of each set."""
    # Its steps are along a compromise of two gradients, not the gradient of a loss.
    sam: ClassVar[float] = 0.0  # type: ignore[misc]

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch."""
        import torch

        from tasks.compute.adam import Adam

        model, size = problem.model, self.batch_size
        weights = trainable(model)
        adam = Adam(weights, self.lr, self.weight_decay, decoupled=True)
        optimizer = self.with_options(adam, model, self.masks(problem))
        memory: deque[Tensor] = deque(maxlen=problem.forget.steps(size))
        for epoch in self.epochs_of(model):
            pairs = problem.retain.paired(
                problem.forget, size, problem.rng, share=self.retain_share
            )
            for (x_r, y_r), (x_f, y_f) in pairs:
                loss = cross_entropy(model(x_r), y_r)
                retain = torch.autograd.grad(loss, weights)
                with self.forget_pass(model):
                    forget = torch.autograd.grad(-cross_entropy(model(x_f), y_f), weights)
                memory.append(forget[-1])
                both = [rectified(r, t) for r, t in zip(retain, forget, strict=True)]
                if epoch > 0:
                    both[-1] = both[-1][0], recalled(both[-1][1], memory)
                share = torch.sigmoid(-self.slope * (loss.detach() - self.threshold))
                for weight, (r, t) in zip(weights, both, strict=True):
                    weight.grad = (1 - share) * r + share * t
                optimizer.step()
            yield


def rectified(retain: Tensor, forget: Tensor) -> tuple[Tensor, Tensor]:
    """Free two gradients of their conflict, in the order of the authors' code."""
    along = (retain * forget).sum()
    if along >= 0:
        return retain, forget
    freed = retain - along / forget.square().sum() * forget
    return freed, forget - along / retain.square().sum() * freed


def recalled(gradient: Tensor, memory: Sequence[Tensor]) -> Tensor:
    """Free `gradient` of its conflict with the mean of those in `memory` that point against it."""
    import torch

    against = [m for m in memory if (m * gradient).sum() < 0]
    return without_conflict(gradient, torch.stack(against).mean(0)) if against else gradient
