"""A sweep survives kill -9 of its driver at any moment, and Ctrl-C."""

from __future__ import annotations

import os
import shutil
import signal

import pytest
from filelock import FileLock
from program import rows_of
from running import Sweep

from orchestrator.cli.main import main


@pytest.mark.parametrize("finished", [pytest.param(0, marks=pytest.mark.slow), 4])
def test_a_killed_driver_is_resumed_without_loss_or_repetition(storage, orchestrate, finished):
    sweep = Sweep(storage, "killed")
    process = sweep.start()
    sweep.wait_for(process, finished)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kept = sweep.ended()
    done = orchestrate("resume", "killed", "--storage", storage)
    assert done.returncode == 0, done.stdout + done.stderr
    after = sweep.ended()
    assert {k: after[k] for k in kept} == kept, "a finished trial was run again or lost"
    sweep.assert_whole()


def test_ctrl_c_keeps_what_is_finished_and_exits_130(storage, orchestrate):
    sweep = Sweep(storage, "stopped")
    process = sweep.start()
    sweep.wait_for(process, 2)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130, output
    assert f"orchestrator resume stopped --storage {storage}" in output.splitlines()[-1]
    assert "Traceback" not in output
    assert len(sweep.ended()) >= 2
    done = orchestrate("resume", "stopped", "--storage", storage)
    assert done.returncode == 0, done.stdout + done.stderr
    sweep.assert_whole()


def test_a_second_driver_on_the_same_sweep_is_refused(trained, capsys):
    with FileLock(trained / "sweeps" / "first" / "driver.lock"):
        assert main(["resume", "first", "--storage", str(trained)]) == 2
    assert "is being run by another process" in capsys.readouterr().err


def test_resuming_a_finished_sweep_runs_nothing_also_when_its_files_were_merged(
    trained, tmp_path, orchestrate
):
    storage = shutil.copytree(trained, tmp_path / "storage")
    before = rows_of(storage, "first")
    assert main(["compact", "--storage", str(storage)]) == 0
    done = orchestrate("resume", "first", "--storage", storage)
    assert done.returncode == 0, done.stdout + done.stderr
    assert rows_of(storage, "first") == before
