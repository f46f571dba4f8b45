"""A sweep under a Ray whose private names differ from those that we know."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from program import ENVIRONMENT, FEWER, ROOT, rows_of
from running import Sweep

SLOWER = """
import sys
from ray.tune.execution import tune_controller
from ray.tune import registry
from ray.tune.schedulers import FIFOScheduler

def altered(owner, name, function):
    original = getattr(owner, name)
    setattr(owner, name, function(original))

def counted(self, trial, config, tag):
    print("Tune resets a worker", flush=True)
    return reset(self, trial, config, tag)

reset = tune_controller.TuneController._schedule_trial_reset
tune_controller.TuneController._schedule_trial_reset = counted
altered(registry._Registry, "get", lambda get: lambda self, kind, key: get(self, kind, key))
altered(FIFOScheduler, "choose_trial_to_run", lambda choose: lambda self, runner: choose(self, runner))
"""
"""Names that only speed relies on, each with other parameters than we know."""
UNSAFE = """
import sys
from ray.air.execution._internal import RayActorManager
del RayActorManager._actor_start_failed
"""
"""Without a name that the judgement of dead workers relies on."""
PROGRAM = """
from orchestrator.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def swept(altered: str, storage: Path, trials: int) -> subprocess.CompletedProcess[str]:
    """Run a sweep in a process that alters Ray first."""
    return subprocess.run(
        [sys.executable, "-c", altered + PROGRAM, "sweep", "--task", "digits-class:1", "--unlearners", "ssd",
         "--trials", str(trials), "--name", "other", "--storage", str(storage), "--max-concurrent", "1", *FEWER],
        cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


@pytest.mark.slow  # test_ray_contract.py asks the same of each name, without a sweep
def test_what_is_for_speed_alone_is_left_out_with_a_notice(storage: Path) -> None:
    sweep = Sweep(storage, "other", unlearners=("ssd",), trials=4)
    done = swept(SLOWER, storage, sweep.trials)
    assert done.returncode == 0, done.stdout + done.stderr
    notices = [line for line in done.stdout.splitlines() if "makes this sweep slower" in line]
    told = [
        "_schedule_trial_reset",
        "_schedule_trial_reset",
        "_Registry.get",
        "choose_trial_to_run",
    ]
    assert len(notices) == len(told), done.stdout
    assert all(name in line for name, line in zip(told, notices, strict=True)), notices
    assert done.stdout.count("Tune resets a worker") == sweep.trials - 1
    assert len(sweep.ended()) == sweep.total
    assert all(row["state"] == "complete" for row in rows_of(storage, "other"))


def test_without_what_judges_dead_workers_no_sweep_begins(tmp_path: Path) -> None:
    done = swept(UNSAFE, tmp_path / "storage", 1)
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    assert "_actor_start_failed is missing" in line
    assert "requirements.lock" in line
    assert not (tmp_path / "storage" / "rows").exists()
