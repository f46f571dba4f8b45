"""Ctrl-C, SIGTERM and SIGHUP, heeded at safe points only: a library interrupted half-way may swallow it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def is_hangup_ignored() -> bool:
    """Tell whether this process outlives its terminal, as nohup asks for."""
    return signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


class Interrupts:
    """Remembers a request to stop until `check` is called; a second request stops at once."""

    def __init__(self) -> None:
        self._asked = False

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Hold requests back for the length of the block."""
        numbers = [n for n in SIGNALS if n != signal.SIGHUP or not is_hangup_ignored()]
        before = {number: signal.signal(number, self._note) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def check(self) -> None:
        """Raise KeyboardInterrupt if a stop was asked for: this is a safe point."""
        if self._asked:
            raise KeyboardInterrupt

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
