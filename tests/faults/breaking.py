"""A method that breaks the worker it ran in, for the next trial."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

from tasks.search_space import Float
from tasks.unlearners.base import Unlearner

if TYPE_CHECKING:
    import torch

    from tasks.datasets.splits import Split
    from tasks.models.network import Network

RAN_IN = "TESTS_BREAKING_RAN_IN"
"""Environment variable with a folder, in which each process that ran it leaves a file."""


@dataclass(frozen=True)
class Breaking(Unlearner):
    """Leaves its process in a state in which no trial can begin."""

    lr: Annotated[float, Float(1e-4, 1e-1, log=True)] = 1e-2
    """Moves nothing."""

    def unlearn(
        self, model: Network, retain: Split, forget: Split, rng: torch.Generator
    ) -> Iterator[None]:
        """Yields once."""
        import orchestrator.worker.runner

        (Path(os.environ[RAN_IN]) / str(os.getpid())).touch()
        yield
        orchestrator.worker.runner.proposed_identity = _broken  # what a trial begins with


def _broken(*_: Any) -> NoReturn:
    raise RuntimeError("this worker is broken")
