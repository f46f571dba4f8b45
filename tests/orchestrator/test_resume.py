"""A sweep survives kill -9 of its driver at any moment, and Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from filelock import FileLock
from optuna.trial import TrialState
from program import ENVIRONMENT, ROOT, command, rows_of, study_of

from orchestrator.cli import main
from orchestrator.store import finished_trials

UNLEARNERS = ("finetune", "negative-gradient+", "ssd")
TRIALS = 3


def start(storage: Path, name: str) -> subprocess.Popen[str]:
    arguments = command(
        "sweep", "--task", "digits-class:1", "--unlearners", ",".join(UNLEARNERS),
        "--trials", str(TRIALS), "--storage", storage, "--name", name,
    )  # fmt: skip
    return subprocess.Popen(
        arguments, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip


def wait_for_trials(process: subprocess.Popen[str], storage: Path, name: str, count: int) -> None:
    """Block until the sweep exists and has `count` trials; fails if the process ends before that."""
    while True:
        trials = finished_trials(storage, name)
        started = (storage / "sweeps" / name / "config.json").exists()
        if started and sum(rows[-1]["role"] == "trial" for rows in trials.values()) >= count:
            return
        try:
            process.wait(timeout=0.1)
        except subprocess.TimeoutExpired:
            continue
        pytest.fail(f"ended too early: {process.stdout.read() if process.stdout else ''}")


def assert_whole(storage: Path, name: str) -> None:
    """Every trial of the budget has exactly one final row, and no study trial is left running."""
    rows = rows_of(storage, name)
    final = Counter(r["trial_id"] for r in rows if r["final"])
    assert set(final.values()) == {1}
    assert Counter(r["unlearner"] for r in rows if r["final"] and r["role"] == "trial") == {
        unlearner: TRIALS for unlearner in UNLEARNERS
    }
    for unlearner in UNLEARNERS:
        trials = study_of(storage, name, unlearner).trials
        assert {t.state for t in trials} <= {TrialState.COMPLETE, TrialState.FAIL}
        told = {t.user_attrs.get("trial_id") for t in trials if t.state == TrialState.COMPLETE}
        assert {
            r["trial_id"] for r in rows if r["unlearner"] == unlearner and r["role"] == "trial"
        } <= told


@pytest.mark.parametrize("finished", [pytest.param(0, marks=pytest.mark.slow), 4])
def test_a_killed_driver_is_resumed_without_loss_or_repetition(storage, orchestrate, finished):
    process = start(storage, "killed")
    wait_for_trials(process, storage, "killed", finished)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kept = {k: rows[-1]["finished_at"] for k, rows in finished_trials(storage, "killed").items()}
    done = orchestrate("resume", "killed", "--storage", storage)
    assert done.returncode == 0, done.stdout + done.stderr
    after = {k: rows[-1]["finished_at"] for k, rows in finished_trials(storage, "killed").items()}
    assert {k: after[k] for k in kept} == kept, "a finished trial was run again or lost"
    assert_whole(storage, "killed")


def test_ctrl_c_keeps_what_is_finished_and_exits_130(storage, orchestrate):
    process = start(storage, "stopped")
    wait_for_trials(process, storage, "stopped", 2)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130, output
    assert "resume" in output
    assert "Traceback" not in output
    assert len(finished_trials(storage, "stopped")) >= 4
    done = orchestrate("resume", "stopped", "--storage", storage)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_whole(storage, "stopped")


def test_a_second_driver_on_the_same_sweep_is_refused(trained, capsys):
    with FileLock(trained / "sweeps" / "first" / "driver.lock"):
        assert main(["resume", "first", "--storage", str(trained)]) == 2
    assert "is being run by another process" in capsys.readouterr().err


def test_resuming_a_finished_sweep_runs_nothing(trained, orchestrate):
    before = rows_of(trained, "first")
    done = orchestrate("resume", "first", "--storage", trained)
    assert done.returncode == 0, done.stdout + done.stderr
    assert rows_of(trained, "first") == before
