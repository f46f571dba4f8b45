"""A limit on how long a trial may take, whatever it hangs in."""

from __future__ import annotations

import faulthandler
import os
import threading
from collections.abc import Callable
from types import TracebackType

BUILD_SECONDS = 600.0
"""What a worker may take for its imports and its data, and a trial before it begins."""
GRACE_SECONDS = 10.0
"""What giving up, or storing a trial that was just in time, may take."""
STDERR = 2


def overdue(seconds: float | None) -> str:
    """Why a trial was ended."""
    return f"ran longer than the limit of {seconds or 0:g} s"


class Deadline:
    """Unless it is `met` within `seconds` of `begin`, calls `give_up` and ends the process.

    What a trial hangs in cannot be interrupted from outside; its worker can be replaced. If no
    thread of Python runs any more, or what is done in the block before `begin` or after `met` hangs,
    or giving up does, the process is ended without it.
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
        """The time counts from now on."""
        if self._seconds is not None:
            self._timer.start()
            self._end_process_in(self._seconds + GRACE_SECONDS)

    def _end_process_in(self, seconds: float) -> None:
        """By a thread that needs no interpreter; it takes the place of an earlier one."""
        if self._seconds is not None:
            faulthandler.dump_traceback_later(seconds, exit=True, file=STDERR)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.met()
        if self._seconds is not None:
            faulthandler.cancel_dump_traceback_later()

    def met(self) -> None:
        """The trial has ended; if the deadline has just passed, this does not return."""
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
