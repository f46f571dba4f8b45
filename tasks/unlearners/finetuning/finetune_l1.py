"""L1-sparse unlearning (Jia et al., 2023, "Model sparsity can simplify machine unlearning")."""

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
class FinetuneL1(Unlearner):
    """Descend on CE(retain) + penalty · (1 − e/E) · ‖θ‖₁, the penalty fading over the epochs."""

    anytime: ClassVar[bool] = False
    passes: ClassVar[tuple[float, float] | None] = (1, 0)

    penalty: Annotated[float, Float(1e-5, 1e-3, log=True)] = 1e-4
    """Strength α of the L1 norm in the first epoch."""
    lr: Annotated[float, Float(1e-4, 1e-1, log=True)] = 1e-2
    """SGD learning rate."""
    epochs: Annotated[int, Int(1, 10)] = 5
    """Passes over the chosen share of the retain set; the penalty's schedule depends on it."""
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
        """Yields per epoch; only the last counts."""
        optimizer = sgd(model, self.lr, self.momentum, self.weight_decay)
        for epoch in range(self.epochs):
            model.train()
            strength = self.penalty * (1 - epoch / self.epochs)
            for x, y in retain.batches(self.batch_size, rng, share=self.retain_share):
                norm = sum(p.abs().sum() for p in trainable(model))
                step(optimizer, cross_entropy(model(x), y) + strength * norm)
            yield
