"""A method that breaks the worker it ran in, for the next trial."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

from tasks.search_space import Float
from tasks.unlearners.base import Unlearner

if TYPE_CHECKING:
    import torch

    from tasks.datasets.splits import Split
    from tasks.models.network import Network


@dataclass(frozen=True)
class Breaking(Unlearner):
    """Leaves its process in a state in which no trial can begin."""

    lr: Annotated[float, Float(1e-4, 1e-1, log=True)] = 1e-2
    """Moves nothing."""

    def unlearn(
        self, model: Network, retain: Split, forget: Split, rng: torch.Generator
    ) -> Iterator[None]:
        """Yields once."""
        from orchestrator.trial import UnlearningTrial

        yield
        UnlearningTrial.reset_config = _broken  # type: ignore[method-assign]


def _broken(*_: Any) -> NoReturn:
    raise RuntimeError("this worker is broken")
