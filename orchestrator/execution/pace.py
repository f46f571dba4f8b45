"""How many trials a worker is given at once.

A call costs the driver and the worker some milliseconds, which trials of a tenth of a second feel.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.results.rows import sum_own_seconds

Row = Mapping[str, Any]
CALL_SECONDS = 1.0
"""The trials of a call are expected to take no longer together: what is told late, samplers learn late."""
MOST = 5
"""Trials in a call."""
LATEST = 3
"""Trials of a method by whose longest the next one is judged."""


class Pace:
    """Knows how long the last trials of each method took."""

    def __init__(self) -> None:
        self._took: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=LATEST))

    def note(self, unlearner: str, rows: Sequence[Row]) -> None:
        """Take the rows of a trial that has ended; of one without a measurement nothing is known."""
        self._took[unlearner].append(sum_own_seconds(rows[-1]) or math.inf)

    def expect(self, unlearner: str) -> float:
        """Return the expected seconds of a method's next trial; infinite before LATEST of them have ended."""
        took = self._took[unlearner]
        return max(took) if len(took) == LATEST else math.inf


def keep_pace(max_concurrent: int | None) -> Pace | None:
    """Return a new Pace; None for one trial at a time, because two runs are to propose the same trials.

    How long trials take is never the same.
    """
    return None if max_concurrent == 1 else Pace()


def limit_call(left: int, running: int) -> int:
    """Return how many trials a call may hold, so that all workers end at about the same time.

    `left` are the trials without a worker, `running` the calls that run.
    """
    return max(1, min(MOST, left // (2 * (running + 1))))
