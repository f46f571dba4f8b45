"""Ending a trial that has become useless: too inaccurate, or dearer than what it approximates."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.results.objectives import STEERING
from tasks.search_space import EPOCHS


@dataclass(frozen=True)
class Limits:
    """What a trial may not fall below, and not exceed."""

    floor: float
    """A validation accuracy on retained classes. Every later point costs more time, so one could
    only join the front by climbing back above it."""
    cost: float
    """A share of a retrain's FLOPs. At 1 a trial has taken what the exact solution takes. A later
    point could still be on the front, as the most accurate one; to a hypervolume whose reference is
    the retrain time it adds something only if its FLOPs take fewer seconds than a retrain's."""

    def why_ended(
        self,
        metrics: Mapping[str, float | None],
        relative_cost: float,
        epoch: int,
        params: Mapping[str, Any],
    ) -> str | None:
        """Why a trial is ended after this point; None if it goes on, or is known to have no further one."""
        if epoch >= params.get(EPOCHS, math.inf):
            return None
        accuracy = metrics[STEERING[0]]
        if accuracy is not None and accuracy < self.floor:
            return f"{STEERING[0]} {accuracy:.3f} fell below the floor of {self.floor:.3f}"
        if relative_cost >= self.cost:
            return f"relative_cost {relative_cost:.3f} reached the limit of {self.cost:g}"
        return None
