"""A method whose trial ends when trials have run on every machine: no machine can do them all alone."""

from __future__ import annotations

import os
import socket
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

FOLDER, MACHINES = "MEETING_FOLDER", "MEETING_MACHINES"
"""Environment variables: a folder that all machines see, and how many of them have to come."""


@dataclass(frozen=True)
class Meeting(Unlearner):
    """Leaves its machine's name, and waits for the names of the others."""

    lr: Annotated[float, Float(1e-4, 1e-1, log=True)] = 1e-2
    """Moves nothing."""

    def unlearn(
        self, model: Network, retain: Split, forget: Split, rng: torch.Generator
    ) -> Iterator[None]:
        """Yields once all are there."""
        folder = Path(os.environ[FOLDER])
        (folder / socket.gethostname()).touch()
        while len(list(folder.iterdir())) < int(os.environ[MACHINES]):
            time.sleep(0.1)
        yield
