"""A method that does nothing, to measure what everything around a method costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from tasks.search_space import Float
from tasks.unlearners.base import Unlearner

if TYPE_CHECKING:
    from tasks.problem import Problem


@dataclass(frozen=True)
class Noop(Unlearner):
    """Leaves the original model as it is; has as many hyper-parameters as the methods have."""

    lr: Annotated[float, Float(1e-4, 1e-1, log=True)] = 1e-2
    """Moves nothing."""
    penalty: Annotated[float, Float(0.0, 1.0)] = 0.5
    """Moves nothing."""
    retain_share: Annotated[float, Float(0.02, 1.0, log=True)] = 1.0
    """Moves nothing."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields once."""
        yield
