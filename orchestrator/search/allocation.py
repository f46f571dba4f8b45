"""Which method gets the next trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
EQUAL, ADAPTIVE = "equal", "adaptive"
ALLOCATIONS = EQUAL, ADAPTIVE


class Allocation:
    """Gives the next trial to the method that is furthest behind: an equal budget for all, interleaved."""

    def choose(self, left: Mapping[str, int], able: Sequence[str] | None = None) -> str | None:
        """Choose the method of the next trial from the trials that are left of each; None if none is left.

        `able` are the methods of which a trial may begin now; all if it is None.
        """
        furthest = max(left if able is None else able, key=lambda name: left[name], default=None)
        return None if furthest is None or left[furthest] <= 0 else furthest

    def note(self, unlearner: str, rows: Sequence[Row]) -> None:
        """Take the rows of a trial that has ended, in order of epoch."""

    def check(self) -> None:
        """Raise an exception if no trial may run any more, those that run already included."""
