"""A machine so busy that Ray does not get going on it."""

from __future__ import annotations

import contextlib
import signal

import psutil
import pytest
from running import Driver, Sweep

pytestmark = pytest.mark.slow

RAYLET = "raylet/raylet"


def freeze_raylet(driver: Driver) -> None:
    """Stop Ray's own process on the node as soon as it is there."""
    while driver.poll() is None:
        for process in psutil.Process(driver.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if RAYLET in " ".join(process.cmdline()[:1]):  # none while it ends
                    process.send_signal(signal.SIGSTOP)
                    return


def test_a_ray_that_does_not_start_ends_the_sweep_in_one_line(storage):
    sweep = Sweep(storage, "busy")
    freeze_raylet(process := sweep.start())
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 1, output
    assert "Traceback" not in output
    assert "Ray could not be started here" in output.splitlines()[-1]
    output, _ = (process := sweep.start()).communicate(timeout=300)
    assert process.returncode == 0, output
    sweep.assert_whole()
