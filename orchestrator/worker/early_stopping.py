"""Early stopping of trials that cost more than the retrain they approximate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks.search_space import EPOCHS


@dataclass(frozen=True)
class Limits:
    """The cost that a trial must stay below."""

    cost: float
    """Limit as a share of a retrain's cost. At 1, a trial has cost as much as the exact solution. A later point
    could still be on the front, as the most accurate one; it adds nothing to the hypervolume."""

    def why_ended(self, relative_cost: float, epoch: int, params: Mapping[str, Any]) -> str | None:
        """Return why a trial is ended after this point; None if it continues or has no further point."""
        if epoch >= params.get(EPOCHS, math.inf) or relative_cost < self.cost:
            return None
        return f"relative_cost {relative_cost:.3f} reached the limit of {self.cost:g}"
