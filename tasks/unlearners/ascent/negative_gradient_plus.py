"""NegGrad+ (Kurmanji et al., 2023, "Towards unbounded machine unlearning", section 3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float, Int
from tasks.unlearners.base import Unlearner, cross_entropy, sgd

if TYPE_CHECKING:
    import torch

    from tasks.datasets.splits import Split
    from tasks.models.network import Network


@dataclass(frozen=True)
class NegativeGradientPlus(Unlearner):
    """Descend on the retain set while ascending on the forget set: α·CE(Dr) − (1 − α)·CE(Df)."""

    passes: ClassVar[tuple[float, float] | None] = (
        2,
        0,
    )  # the forget set as often as the retain set

    lr: Annotated[float, Float(1e-4, 1e-1, log=True)] = 1e-2
    """SGD learning rate."""
    retain_weight: Annotated[float, Float(0.8, 0.999)] = 0.95
    """Share α of the retain loss in the total."""
    epochs: Annotated[int, Int(1, 10)] = 5
    """Passes over the chosen share of the retain set."""
    retain_share: Annotated[float, Float(0.02, 1.0, log=True)] = 1.0
    """Share of the retain set visited in an epoch, drawn anew each time."""
    momentum: float = 0.9
    """SGD momentum."""
    weight_decay: float = 5e-4
    """L2 penalty towards zero."""
    batch_size: int = 256
    """Examples per step, of each set."""

    def unlearn(
        self, model: Network, retain: Split, forget: Split, rng: torch.Generator
    ) -> Iterator[None]:
        """Yields per epoch."""
        optimizer = sgd(model, self.lr, self.momentum, self.weight_decay)
        for _ in range(self.epochs):
            model.train()
            pairs = retain.paired(forget, self.batch_size, rng, share=self.retain_share)
            for (x_r, y_r), (x_f, y_f) in pairs:
                optimizer.zero_grad()
                # One after the other, the activations of both sets are never held at a time.
                (self.retain_weight * cross_entropy(model(x_r), y_r)).backward()
                ((self.retain_weight - 1) * cross_entropy(model(x_f), y_f)).backward()
                optimizer.step()
            yield
