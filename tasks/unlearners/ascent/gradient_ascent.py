"""Gradient ascent on the forget set (Golatkar et al., 2020, call it the negative gradient)."""

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
class GradientAscent(Unlearner):
    """Climb the cross-entropy of the forget set; nothing holds the rest in place."""

    passes: ClassVar[tuple[float, float] | None] = (0, 1)

    lr: Annotated[float, Float(1e-6, 1e-2, log=True)] = 1e-4
    """SGD learning rate."""
    epochs: Annotated[int, Int(1, 5)] = 1
    """Passes over the forget set."""
    momentum: float = 0.9
    """SGD momentum."""
    batch_size: int = 256
    """Examples per step."""

    def unlearn(
        self, model: Network, retain: Split, forget: Split, rng: torch.Generator
    ) -> Iterator[None]:
        """Yields per epoch."""
        optimizer = sgd(model, self.lr, self.momentum)
        for _ in range(self.epochs):
            model.train()
            for x, y in forget.batches(self.batch_size, rng):
                step(optimizer, -cross_entropy(model(x), y))
            yield
