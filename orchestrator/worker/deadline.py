"""A time limit for a trial, which works whatever the trial hangs in."""

from __future__ import annotations

import faulthandler
import os
import threading
from collections.abc import Callable
from types import TracebackType

BUILD_SECONDS = 600.0
"""Time limit for a worker's imports and data, and for a trial before its deadline starts."""
GRACE_SECONDS = 10.0
"""Time limit for giving up, and for storing a trial that ended just in time."""
STDERR = 2


def explain_overrun(seconds: float | None) -> str:
    """Return the reason why a trial was ended."""
    return f"ran longer than the limit of {seconds or 0:g} s"


class Deadline:
    """Calls `give_up` and ends the process, unless `finish` is called within `seconds` of `begin`.

    A hanging trial cannot be interrupted from outside, but its worker can be replaced. The process
    ends without `give_up` in three cases: no thread of Python runs any more, the block hangs before
    `begin` or after `finish`, or `give_up` itself hangs.
    """

    def __init__(self, seconds: float | None, give_up: Callable[[], object]) -> None:
        self._seconds, self._give_up = seconds, give_up
        self._lock, self._over = threading.Lock(), False
        self._timer = threading.Timer(seconds or 0.0, self._expire)
        self._timer.daemon = True

    def __enter__(self) -> Deadline:
        self._end_process_in(BUILD_SECONDS)
        return self

    def begin(self) -> None:
        """Start the time limit now."""
        if self._seconds is not None:
            self._timer.start()
            self._end_process_in(self._seconds + GRACE_SECONDS)

    def _end_process_in(self, seconds: float) -> None:
        """End the process by a thread that needs no interpreter; replace an earlier limit."""
        if self._seconds is not None:
            faulthandler.dump_traceback_later(seconds, exit=True, file=STDERR)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.finish()
        if self._seconds is not None:
            faulthandler.cancel_dump_traceback_later()

    def finish(self) -> None:
        """Stop the time limit, because the trial has ended. Do not return if the deadline has just passed."""
        with self._lock:
            self._over = True
        self._timer.cancel()

    def _expire(self) -> None:
        with self._lock:
            if self._over:
                return
            try:
                self._give_up()
            finally:
                os._exit(1)
