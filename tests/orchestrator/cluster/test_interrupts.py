"""Signals that ask a sweep to stop are held back until a safe point."""

from __future__ import annotations

import os
import signal

import pytest

from orchestrator.cluster.interrupts import SIGNALS, Interrupts


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_stops_at_the_next_safe_point(number):
    before = signal.signal(number, signal.default_int_handler)
    try:
        interrupts = Interrupts()
        with interrupts.deferred():
            os.kill(os.getpid(), number)
            with pytest.raises(KeyboardInterrupt):
                interrupts.check()
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_that_is_ignored_stays_so(number):
    """SIGHUP of a driver that nohup started, SIGINT of a background job of a script."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        interrupts = Interrupts()
        with interrupts.deferred():
            os.kill(os.getpid(), number)
            interrupts.check()
    finally:
        signal.signal(number, before)
