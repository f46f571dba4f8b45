"""Fine-tuning on the retain set and trusting in forgetting (Warnecke et al., 2023)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float, Int
from tasks.unlearners.base import Unlearner, cross_entropy, sgd, step

if TYPE_CHECKING:
    import torch

    from tasks.datasets.splits import Split
    from tasks.models.network import Network


@dataclass(frozen=True)
class Finetune(Unlearner):
    """Descend on the cross-entropy of the retain set, from the original weights."""

    passes: ClassVar[tuple[float, float] | None] = (1, 0)

    lr: Annotated[float, Float(1e-4, 1e-1, log=True)] = 1e-2
    """SGD learning rate."""
    epochs: Annotated[int, Int(1, 10)] = 5
    """Passes over the chosen share of the retain set."""
    retain_share: Annotated[float, Float(0.02, 1.0, log=True)] = 1.0
    """Share of the retain set visited in an epoch, drawn anew each time."""
    momentum: float = 0.9
    """SGD momentum."""
    weight_decay: float = 5e-4
    """L2 penalty towards zero."""
    batch_size: int = 256
    """Examples per step."""

    def unlearn(
        self, model: Network, retain: Split, forget: Split, rng: torch.Generator
    ) -> Iterator[None]:
        """Yields per epoch."""
        optimizer = sgd(model, self.lr, self.momentum, self.weight_decay)
        for _ in range(self.epochs):
            model.train()
            for x, y in retain.batches(self.batch_size, rng, share=self.retain_share):
                step(optimizer, cross_entropy(model(x), y))
            yield
