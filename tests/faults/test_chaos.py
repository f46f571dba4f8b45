"""Any process of a local sweep is killed at any moment, again and again: nothing is lost, doubled or left behind."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from injected import TRAINER, WORKER, titled
from remains import Remains, watch_remains
from running import Driver, Sweep

from orchestrator.config.spelling import spell_program

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("CHAOS_KILLS", "10"))
SEED = int(os.environ.get("CHAOS_SEED", random.randrange(10**6)))
KINDS = {
    "driver": (),
    "raylet": ("raylet/raylet",),
    "GCS": ("gcs/gcs_server",),
    "agent": (
        "ray::DashboardAgent",
        "ray::RuntimeEnvAgent",
        "dashboard/agent.py",
        "runtime_env/agent",
    ),
    "worker": (*WORKER, "ray::IDLE"),
    "trainer": TRAINER,
}
"""Words in the titles of a kind of processes."""
DELAYS = 0.2, 2.0, 10.0
"""Most seconds from the moment at which a process of the kind is there until it is killed."""
TRIALS = 15
"""Of each of the three methods."""


def find_one(
    kind: str, driver: Driver, remains: Remains, rng: random.Random
) -> psutil.Process | None:
    """Return a process of the kind; None if the sweep has none now."""
    below = remains.note_processes(driver)
    if kind == "driver":
        return psutil.Process(driver.pid) if driver.poll() is None else None
    found = sorted((p for p in below if titled(p, KINDS[kind])), key=lambda p: p.pid)
    return rng.choice(found) if found else None


def kill_one(kind: str, driver: Driver, remains: Remains, rng: random.Random) -> bool:
    """Wait for a process of the kind and a random moment, then kill it; False if the driver ended before."""
    waited = False
    while driver.poll() is None:
        process = find_one(kind, driver, remains, rng)
        if process is None:
            time.sleep(0.05)
        elif not waited:
            waited = True
            with suppress(subprocess.TimeoutExpired):
                driver.wait(rng.uniform(0, rng.choice(DELAYS)))
        else:
            with suppress(psutil.NoSuchProcess):
                process.kill()
                return True
    return False


def check_end(sweep: Sweep, driver: Driver, remains: Remains) -> None:
    """A driver that did not reach its end has said how to go on, and has left nothing."""
    remains.wait_until_gone()
    if driver.returncode and (sweep.storage / "sweeps" / sweep.name / "config.json").exists():
        begun = f"sweep {sweep.name}:" in driver.said
        assert not begun or f"to go on: {spell_program()} resume" in driver.said, driver.said
    assert driver.returncode != 2, driver.said


def run_under_fire(sweep: Sweep, remains: Remains, left: int, rng: random.Random) -> Counter[str]:
    """Run a sweep to its end, and kill up to `left` processes on the way; returns how many of each kind."""
    killed: Counter[str] = Counter()
    kept: dict[str, object] = {}
    while True:
        driver = sweep.start()
        while killed.total() < left:
            kinds = [k for k in KINDS if k != "trainer" or len(sweep.models()) < 3]
            kind = rng.choice(kinds)
            if not kill_one(kind, driver, remains, rng):
                break
            killed[kind] += 1
            print(f"killed {kind}: {killed.total()}", flush=True)
        driver.wait(timeout=900)
        check_end(sweep, driver, remains)
        now = sweep.ended()
        assert {k: now.get(k) for k in kept} == kept, "a finished trial was run again or lost"
        kept = now
        if driver.returncode == 0:
            return killed


def test_a_sweep_survives_the_death_of_any_process(trained: Path, tmp_path: Path) -> None:
    print(f"CHAOS_SEED={SEED} CHAOS_KILLS={KILLS}", flush=True)
    rng, killed, sweeps = random.Random(SEED), Counter[str](), 0
    with watch_remains() as remains:
        while killed.total() < KILLS:
            storage = tmp_path / f"storage-{sweeps}"
            if sweeps % 2:  # every other one finds its models trained
                shutil.copytree(trained / "artifacts", storage / "artifacts")
            sweep = Sweep(storage, "chaos", trials=TRIALS, environment=remains.environment)
            now = run_under_fire(sweep, remains, KILLS - killed.total(), rng)
            # A trainer may die between its last epoch and the file.
            sweep.assert_whole(remade=now.total())
            killed, sweeps = killed + now, sweeps + 1
            print(f"killed over {sweeps} sweeps: {dict(killed)}", flush=True)
