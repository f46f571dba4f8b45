"""The front as the driver knew it when it proposed a trial: which points of the trial are measured whole.

Whatever a table may choose later is measured whole, in whatever order trials end: a point that is on the front of
its method at the end was dominated by nothing that was known before, and the best attempt of a method is the best
of what was known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.results.objectives import FrontRule, rate_attempt
from orchestrator.results.pareto import dominates

Row = Mapping[str, Any]
KNOWN = "known_front"
"""Where a proposed trial holds the KnownFront of its method."""


@dataclass(frozen=True)
class KnownFront:
    """The front of one method, and its best attempt, from the trials that have ended."""

    points: tuple[tuple[tuple[float, ...], bool], ...] = ()
    """The gains of each point, and whether it meets every limit of the objective."""
    attempt: float = -math.inf
    """The highest accuracy × indistinguishability: see `choose_of_each_method`."""

    def __repr__(self) -> str:
        """Return a short text: Tune puts it into the name of each trial."""
        return f"{type(self).__name__}({len(self.points)})"

    def __deepcopy__(self, memo: dict[int, Any]) -> KnownFront:
        """Return itself, which nobody changes: Tune copies the configuration of each trial."""
        return self

    def is_wanted(self, row: Row, rule: FrontRule) -> bool:
        """Tell whether a table may come to show this point, so that all of it is to be measured."""
        gains = rule.read_gains(row)
        meets = rule.objective.meets_limits(row)
        if gains is not None and not self._dominates(gains, meets):
            return True
        return not any(m for _, m in self.points) and rate_attempt(row) >= self.attempt

    def join(self, rows: Sequence[Row], rule: FrontRule) -> KnownFront:
        """Return what is known with the points of one more trial; the row that says why it failed is none."""
        points, attempt = self.points, self.attempt
        for row in (row for row in rows if row.get("state") != "failed"):
            attempt = max(attempt, rate_attempt(row))
            gains, meets = rule.read_gains(row), rule.objective.meets_limits(row)
            known = KnownFront(points)
            if gains is None or (gains, meets) in points or known._dominates(gains, meets):
                continue
            # What misses a limit dominates nothing that meets them all.
            kept = (p for p in points if not dominates(gains, p[0]) or (p[1] and not meets))
            points = (*kept, (gains, meets))
        if points is self.points and attempt == self.attempt:
            return self
        return KnownFront(points, attempt)

    def _dominates(self, gains: tuple[float, ...], meets: bool) -> bool:
        return any(dominates(p, gains) for p, its in self.points if its or not meets)


NOTHING = KnownFront()
