"""The end of a sweep with a budget of wall time: which trials still begin, and when those that run are stopped."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from orchestrator.results.rows import sum_own_seconds
from orchestrator.search.allocation import Allocation

Row = Mapping[str, Any]

END_SECONDS = 3.0
"""Time for the end of a sweep: its table is printed, and Ray stops."""
SLACK = 0.03
"""Share of the budget that may stay unused, because no trial fits into it any more."""


class TimeIsUp(Exception):
    """The budget of wall time is spent: trials that still run are stopped, and leave no rows."""


class TimeLimit(Allocation):
    """Decides by how long a method's trials took so far whether one more fits.

    A trial begins if it is expected to end in time: its method's mean, or before its first the estimate. Where none
    is, the shortest begins all the same while more than SLACK of the budget is left. What runs at the end is stopped.
    """

    def __init__(
        self,
        allocation: Allocation,
        ends_at: float,
        seconds: float,
        expected: Mapping[str, float] | None = None,
        finished: Iterable[Sequence[Row]] = (),
    ) -> None:
        """Limit another allocation, which knows the `finished` trials already: the rows of each, with their method.

        `ends_at` is by the monotonic clock, `seconds` the whole budget, `expected` those of a trial by method.
        """
        self._allocation = allocation
        self.ends_at, self._seconds = ends_at, seconds
        self._expected = dict(expected or {})
        self._took: dict[str, list[float]] = defaultdict(list)
        for rows in finished:
            self._note_seconds(rows[-1]["unlearner"], rows)

    @property
    def left(self) -> float:
        """Seconds in which trials may run; negative when the time is over."""
        return self.ends_at - END_SECONDS - time.monotonic()

    def note(self, unlearner: str, rows: Sequence[Row]) -> None:
        """Take the rows of a trial that has ended, in order of epoch."""
        self._note_seconds(unlearner, rows)
        self._allocation.note(unlearner, rows)

    def expect(self, unlearner: str) -> float:
        """Return the expected seconds of a trial; 0 where nothing is known."""
        took = self._took.get(unlearner)
        return fmean(took) if took else self._expected.get(unlearner, 0.0)

    def choose(self, left: Mapping[str, int], able: Sequence[str] | None = None) -> str | None:
        """Choose among the methods of which a trial fits; None if the time is over."""
        able, seconds = list(left if able is None else able), self.left
        fitting = [name for name in able if self.expect(name) <= seconds]
        chosen = self._allocation.choose(left, fitting)
        if chosen is not None or seconds <= SLACK * self._seconds:
            return chosen
        # Only the allocation knows of which methods there may be another trial.
        each = (self._allocation.choose(left, [name]) for name in sorted(able, key=self.expect))
        return next((name for name in each if name is not None), None)

    def _note_seconds(self, unlearner: str, rows: Sequence[Row]) -> None:
        measured = [row for row in rows if row.get("unlearn_seconds") is not None]
        if measured:
            self._took[unlearner].append(sum_own_seconds(measured[-1]))

    def check(self) -> None:
        """Raise TimeIsUp if the time is over."""
        if self.left <= 0:
            raise TimeIsUp
