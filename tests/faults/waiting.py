"""A method whose trial says where it runs, and ends when it is told to."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tasks.search_space import Float
from tasks.unlearners.base import Unlearner

if TYPE_CHECKING:
    import torch

    from tasks.datasets.splits import Split
    from tasks.models.network import Network

FOLDER = "WAITING_FOLDER"
"""Environment variable: where each run leaves a file named by its process, and looks for `GO`."""
GO = "go"


@dataclass(frozen=True)
class Waiting(Unlearner):
    """Waits for a file."""

    lr: Annotated[float, Float(1e-4, 1e-1, log=True)] = 1e-2
    """Moves nothing."""

    def unlearn(
        self, model: Network, retain: Split, forget: Split, rng: torch.Generator
    ) -> Iterator[None]:
        """Yields once it may."""
        folder = Path(os.environ[FOLDER])
        (folder / f"run-{os.getpid()}").touch()
        while not (folder / GO).exists():
            time.sleep(0.05)
        yield
