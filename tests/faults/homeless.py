"""A method that breaks the worker it ran in, for the next trial."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from tasks.search_space import Float
from tasks.unlearners.base import Unlearner

if TYPE_CHECKING:
    import torch

    from tasks.datasets.splits import Split
    from tasks.models.network import Network


@dataclass(frozen=True)
class Homeless(Unlearner):
    """Leaves its process in a folder that is gone: Tune asks for it between two trials."""

    lr: Annotated[float, Float(1e-4, 1e-1, log=True)] = 1e-2
    """Moves nothing."""

    def unlearn(
        self, model: Network, retain: Split, forget: Split, rng: torch.Generator
    ) -> Iterator[None]:
        """Yields once."""
        yield
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
