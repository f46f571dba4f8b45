"""Ctrl-C, SIGTERM and SIGHUP, heeded at safe points only: a library interrupted half-way may swallow it, or crash."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def is_ignored(number: int) -> bool:
    """Tell whether a signal is ignored: SIGHUP under nohup, SIGINT in a background process of a script."""
    return signal.getsignal(number) == signal.SIG_IGN


def interrupt_driver() -> None:
    """Ask this process to stop, from any of its threads, as a user would."""
    os.kill(os.getpid(), signal.SIGTERM if is_ignored(signal.SIGINT) else signal.SIGINT)


class Interrupts:
    """Remembers a request to stop until `check` is called; a second request stops at once."""

    def __init__(self) -> None:
        self._asked = False

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Hold requests back for the length of the block; signals that are ignored stay so."""
        numbers = [n for n in SIGNALS if not is_ignored(n)]
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


@contextmanager
def keep_handlers() -> Iterator[None]:
    """Within the block, a library cannot set handlers of these signals: Ray sets two of SIGTERM while it starts.

    Each of them leaves by sys.exit, amid C++ that is not ready for that: a segmentation fault.
    """
    original = signal.signal

    def set_others(number: int, handler: Any) -> Any:
        return signal.getsignal(number) if number in SIGNALS else original(number, handler)

    signal.signal = set_others  # type: ignore[assignment]
    try:
        yield
    finally:
        signal.signal = original
