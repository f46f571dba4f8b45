"""A clock that a test sets forward, in place of the module `time` of one module."""

from __future__ import annotations


class Clock:
    """Stands still until it is set forward; seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """Tell the time as the module `time` does."""
        return self.now
