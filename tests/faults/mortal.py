"""A method of which some trials end their process or hang, each time that they run."""

from __future__ import annotations

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

RUNS = "TESTS_MORTAL_RUNS"
"""Environment variable with a file, which has a line for each time that a trial ran: its lr."""
HANGS = "TESTS_MORTAL_HANGS"
"""Environment variable: set, such a trial hangs."""
DEADLY = 0.9


@dataclass(frozen=True)
class Mortal(Unlearner):
    """Changes nothing."""

    lr: Annotated[float, Float(0.0, 1.0)] = 0.5
    """Above DEADLY it does not end by itself."""

    def unlearn(
        self, model: Network, retain: Split, forget: Split, rng: torch.Generator
    ) -> Iterator[None]:
        """Yields once, if it lives."""
        with Path(os.environ[RUNS]).open("a") as runs:
            runs.write(f"{self.lr!r}\n")
        if self.lr > DEADLY:
            if HANGS in os.environ:
                threading.Event().wait()
            os._exit(1)
        yield
