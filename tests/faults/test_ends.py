"""However a local sweep ends, it says how to go on, and leaves nothing on the machine but its results."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest
from remains import Remains, watch_remains
from running import Driver, Sweep
from test_chaos import find_one

from orchestrator.config.spelling import spell_program

pytestmark = pytest.mark.slow

SECONDS = 60.0
"""Time for a driver to end on a busy machine. Ray itself waits that long for a dead GCS server."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STARTS = 6
"""Tries at random moments while Ray starts."""


@pytest.fixture
def remains() -> Iterator[Remains]:
    with watch_remains() as own:
        yield own


def kill(kind: str, driver: Driver, remains: Remains) -> None:
    process = find_one(kind, driver, remains, random.Random(0))
    assert process is not None, driver.said
    process.kill()


@pytest.mark.parametrize("end", ["GCS", "raylet", "agent", "driver", *SIGNALS])
def test_an_end_amid_trials_says_how_to_go_on_and_leaves_nothing(storage, remains, end):
    sweep = Sweep(storage, "ended", trials=100, environment=remains.environment)
    driver = sweep.start()
    sweep.wait_for(driver, 4)
    remains.note_processes(driver)
    if isinstance(end, str):
        kill(end, driver, remains)
    else:
        driver.send_signal(end)
    driver.wait(timeout=SECONDS)
    remains.wait_until_gone()
    assert f"to go on: {spell_program()} resume ended --storage {storage}" in driver.said
    assert "Traceback" not in driver.said
    if end in SIGNALS:
        assert driver.returncode == 130, driver.said


@pytest.mark.parametrize("end", ["GCS", "raylet", signal.SIGTERM])
def test_an_end_after_the_last_trial_shows_the_front(storage, remains, end):
    sweep = Sweep(storage, "late", unlearners=("ssd",), environment=remains.environment)
    driver = sweep.start()
    sweep.wait_for(driver, sweep.total)
    if driver.poll() is None:
        if isinstance(end, str):
            with suppress(AssertionError):  # the sweep may have left Ray already
                kill(end, driver, remains)
        else:
            driver.send_signal(end)
    driver.wait(timeout=SECONDS)
    remains.wait_until_gone()
    assert driver.returncode == 0, driver.said
    assert "Pareto front of late" in driver.said


def start_until_gcs(sweep: Sweep, remains: Remains) -> tuple[Driver, psutil.Process]:
    """Start a sweep, and return it with Ray's GCS server as soon as that is there."""
    driver = sweep.start()
    while not (begun := find_one("GCS", driver, remains, random.Random(0))):
        assert driver.poll() is None, driver.said
        time.sleep(0.01)
    return driver, begun


def test_a_cluster_that_does_not_start_is_no_wrong_address(storage, remains):
    driver, gcs = start_until_gcs(
        Sweep(storage, "unborn", environment=remains.environment), remains
    )
    gcs.kill()
    driver.wait(timeout=2 * SECONDS)
    remains.wait_until_gone()
    assert driver.returncode == 1, driver.said
    assert "orchestrator: Ray could not be started here: " in driver.said


def test_a_stop_while_ray_starts_ends_in_order(storage, remains):
    """Ctrl-C or SIGTERM amid Ray's C++ was a segmentation fault in 5 of 32 tries."""
    rng = random.Random(0)
    for number in range(STARTS):
        sweep = Sweep(storage, f"start-{number}", trials=50, environment=remains.environment)
        driver, _ = start_until_gcs(sweep, remains)
        with suppress(subprocess.TimeoutExpired):
            driver.wait(rng.uniform(0, 3))
        driver.send_signal(SIGNALS[number % 2])
        driver.wait(timeout=SECONDS)
        remains.wait_until_gone()
        assert driver.returncode == 130, driver.said
        assert "interrupted" in driver.said.splitlines()[-1]
        assert "Traceback" not in driver.said
