"""Fine-tuning with an L2 penalty on straying from the original weights.

The penalty is L2-SP (Li et al., 2018, "Explicit inductive bias for transfer learning", eq. 2);
the CS726 deck proposes it for unlearning.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float, Int
from tasks.unlearners.base import Unlearner, cross_entropy, sgd, step, trainable

if TYPE_CHECKING:
    import torch

    from tasks.datasets.splits import Split
    from tasks.models.network import Network


@dataclass(frozen=True)
class FinetuneL2SP(Unlearner):
    """Descend on CE(retain) + penalty/2 · ‖θ − θ0‖²."""

    passes: ClassVar[tuple[float, float] | None] = (1, 0)

    penalty: Annotated[float, Float(1e-4, 1.0, log=True)] = 1e-2
    """Strength λ of the pull towards the original weights θ0."""
    lr: Annotated[float, Float(1e-4, 1e-1, log=True)] = 1e-2
    """SGD learning rate."""
    epochs: Annotated[int, Int(1, 10)] = 5
    """Passes over the chosen share of the retain set."""
    retain_share: Annotated[float, Float(0.02, 1.0, log=True)] = 1.0
    """Share of the retain set visited in an epoch, drawn anew each time."""
    momentum: float = 0.9
    """SGD momentum."""
    batch_size: int = 256
    """Examples per step."""

    def unlearn(
        self, model: Network, retain: Split, forget: Split, rng: torch.Generator
    ) -> Iterator[None]:
        """Yields per epoch."""
        optimizer = sgd(model, self.lr, self.momentum)
        start = [p.detach().clone() for p in trainable(model)]
        for _ in range(self.epochs):
            model.train()
            for x, y in retain.batches(self.batch_size, rng, share=self.retain_share):
                pairs = zip(trainable(model), start, strict=True)
                strayed = sum((p - p0).square().sum() for p, p0 in pairs)
                step(optimizer, cross_entropy(model(x), y) + self.penalty / 2 * strayed)
            yield
