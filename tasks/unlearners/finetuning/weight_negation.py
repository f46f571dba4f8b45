"""NoT (Khalil et al., 2025, "NoT: Federated unlearning via weight negation", CVPR)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float, Int
from tasks.unlearners.base import Passes, SGDUnlearner, cross_entropy, descend
from tasks.unlearners.steps.batch_norm import refresh_batch_norm
from tasks.unlearners.steps.blocks import convolutions
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from torch import nn

    from tasks.problem import Problem


@dataclass(frozen=True)
class WeightNegation(SGDUnlearner):
    """Negate the weights of the first convolutions, then fine-tune on the retain set (Khalil et al., 2025).

    θ_l ← −θ_l for the first layers l that may move, then θ ← θ − η · ∇CE(retain). The statistics of BatchNorm
    are taken anew, forward, after the negation: otherwise the first epoch would start with those of other weights.
    """

    verified: ClassVar[Verified] = Verified(
        "the paper, as there is no public code; which layers to negate is not verified",
        ("negating twice changes nothing and once the first convolution alone",),
    )
    changes_convolutions: ClassVar[bool] = True
    passes: ClassVar[Passes] = Passes(retain=1)

    lr: Annotated[float, Float(1e-2, 2e-1, log=True, above=0)] = 5e-2
    """SGD learning rate."""
    retain_share: Annotated[float, Float(0.2, 1.0, log=True, above=0, most=1)] = 1.0
    """Share of the retain set visited in an epoch, drawn anew each time; too few steps repair nothing."""
    layers: Annotated[int, Int(1, 3, least=1)] = 1
    """Convolutions that are negated, from the first; public code negates one."""
    batch_size: int = 64
    """Examples per step."""
    # A mask makes no sense: negated weights do not keep their values.
    mask: ClassVar[str] = "none"  # type: ignore[misc]
    mask_share: ClassVar[float] = 1.0  # type: ignore[misc]

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch."""
        model = problem.model
        negate(convolutions(model)[: self.layers])
        refresh_batch_norm(model, self.retain_batches(problem))
        optimizer = self.optimizer(model)
        for _ in self.epochs_of(model):
            for x, y in self.retain_batches(problem):
                descend(optimizer, lambda: cross_entropy(model(x), y))
            yield


def negate(layers: list[nn.Conv2d]) -> None:
    """Change the sign of the weights of `layers`, biases included."""
    import torch

    with torch.no_grad():
        for layer in layers:
            for parameter in layer.parameters():
                parameter.neg_()
