"""Random labels, successively (Graves et al., 2021, "Amnesiac machine learning", section 4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from tasks.search_space import Float, Int
from tasks.unlearners.base import Unlearner, cross_entropy, sgd, step

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from tasks.datasets.splits import Split
    from tasks.models.network import Network


@dataclass(frozen=True)
class RandomLabels(Unlearner):
    """Each epoch: fit the forget set to fresh wrong labels, then the retain set to its own."""

    lr: Annotated[float, Float(1e-3, 1e-1, log=True)] = 1e-2
    """SGD learning rate."""
    epochs: Annotated[int, Int(1, 10)] = 3
    """Rounds of both phases."""
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
        """Yields after both phases."""
        optimizer = sgd(model, self.lr, self.momentum, self.weight_decay)
        for _ in range(self.epochs):
            model.train()
            for x, y in forget.batches(self.batch_size, rng):
                step(optimizer, cross_entropy(model(x), wrong_labels(y, forget.classes, rng)))
            for x, y in retain.batches(self.batch_size, rng, share=self.retain_share):
                step(optimizer, cross_entropy(model(x), y))
            yield


def wrong_labels(y: Tensor, classes: int, rng: torch.Generator) -> Tensor:
    """For each label (N,) one of the other `classes` − 1, uniformly."""
    import torch

    from tasks.datasets.splits import sent

    offset = torch.randint(1, classes, y.shape, generator=rng)
    return (y + sent(offset, y.device)) % classes
