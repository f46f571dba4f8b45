"""Methods that never end: one that lets the interpreter go on, and one that does not."""

from __future__ import annotations

import ctypes
import os
import threading
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

FOLDER = "HANGING_FOLDER"
"""Environment variable: where each run leaves a file."""


@dataclass(frozen=True)
class Waits(Unlearner):
    """Waits for an event that nobody sets."""

    lr: Annotated[float, Float(1e-4, 1e-1, log=True)] = 1e-2
    """Moves nothing."""

    def unlearn(
        self, model: Network, retain: Split, forget: Split, rng: torch.Generator
    ) -> Iterator[None]:
        """Never yields."""
        (Path(os.environ[FOLDER]) / f"{type(self).__name__}-{os.getpid()}").touch()
        self._hang()
        yield

    def _hang(self) -> None:
        threading.Event().wait()


@dataclass(frozen=True)
class Holds(Waits):
    """Sleeps in C with the interpreter's lock in its hand: no thread of Python runs any more."""

    def _hang(self) -> None:
        ctypes.PyDLL(None).sleep(100_000)
