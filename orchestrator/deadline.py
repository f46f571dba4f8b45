"""A limit on how long a trial may take, whatever it hangs in."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable


class Deadline:
    """Unless it is `met` within `seconds`, calls `give_up` and ends the process.

    What a trial hangs in cannot be interrupted from outside; its worker can be replaced.
    """

    def __init__(self, seconds: float | None, give_up: Callable[[], object]) -> None:
        self._give_up = give_up
        self._lock, self._over = threading.Lock(), False
        self._timer = threading.Timer(seconds or 0.0, self._expire)
        self._timer.daemon = True
        if seconds is not None:
            self._timer.start()

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
