"""Early stopping of useless trials: too inaccurate, or more expensive than the retrain they approximate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.results.objectives import STEERING
from tasks.search_space import EPOCHS


@dataclass(frozen=True)
class Limits:
    """The accuracy that a trial must keep, and the cost that it must stay below."""

    floor: float
    """Least validation accuracy on retained classes. Every later point costs more time, so it could
    join the front only by climbing back above this value."""
    cost: float
    """Limit as a share of a retrain's FLOPs. At 1, a trial has used as many as the exact solution.
    A later point could still be on the front, as the most accurate one. The hypervolume has the
    retrain time as its reference: such a point adds to it only if its FLOPs take fewer seconds."""

    def why_ended(
        self,
        metrics: Mapping[str, float | None],
        relative_cost: float,
        epoch: int,
        params: Mapping[str, Any],
    ) -> str | None:
        """Return why a trial is ended after this point; None if it continues or has no further point."""
        if epoch >= params.get(EPOCHS, math.inf):
            return None
        accuracy = metrics[STEERING[0]]
        if accuracy is not None and accuracy < self.floor:
            return f"{STEERING[0]} {accuracy:.3f} fell below the floor of {self.floor:.3f}"
        if relative_cost >= self.cost:
            return f"relative_cost {relative_cost:.3f} reached the limit of {self.cost:g}"
        return None
