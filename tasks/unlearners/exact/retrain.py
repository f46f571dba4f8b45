"""Retraining from scratch on the retain set: the exact reference that the others approximate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tasks.unlearners.base import Unlearner

if TYPE_CHECKING:
    import torch

    from tasks.datasets.splits import Split
    from tasks.models.network import Network


@dataclass(frozen=True)
class Retrain(Unlearner):
    """Train anew, by the original model's recipe, without the forget set. Nothing to search."""

    anytime: ClassVar[bool] = False
    passes: ClassVar[tuple[float, float] | None] = None

    def unlearn(
        self, model: Network, retain: Split, forget: Split, rng: torch.Generator
    ) -> Iterator[None]:
        """Yields per epoch; only the last is a trained model."""
        from tasks.training import train

        yield from train(model, retain, rng)
