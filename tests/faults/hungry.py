"""A method that takes memory until it is stopped."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from tasks.search_space import Float
from tasks.unlearners.base import Unlearner

if TYPE_CHECKING:
    import torch

    from tasks.datasets.splits import Split
    from tasks.models.network import Network

BLOCK, BLOCKS = 64 * 2**20, 128


@dataclass(frozen=True)
class Hungry(Unlearner):
    """Holds eight gigabytes at the end, if it is let."""

    lr: Annotated[float, Float(1e-4, 1e-1, log=True)] = 1e-2
    """Moves nothing."""

    def unlearn(
        self, model: Network, retain: Split, forget: Split, rng: torch.Generator
    ) -> Iterator[None]:
        """Never yields on a machine that watches its memory."""
        held = []
        for _ in range(BLOCKS):
            held.append(b"\1" * BLOCK)
            time.sleep(0.02)
        yield
