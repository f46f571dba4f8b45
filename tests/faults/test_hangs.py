"""A trial that hangs ends at its time limit as a failed row, whatever it hangs in, and is not tried again."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import psutil
import pytest
from hanging import FOLDER
from injected import WORKER, kill_some
from program import rows_of
from running import Sweep

from orchestrator.worker.deadline import GRACE_SECONDS
from tasks.storage.roots import open_root

pytestmark = pytest.mark.slow

METHODS = ("hanging:Waits", "hanging:Holds")
SECONDS = "3"


def test_a_trial_that_hangs_is_a_failed_row_and_the_sweep_goes_on(storage, tmp_path):
    (runs := tmp_path / "runs").mkdir()
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    sweep = Sweep(
        storage, "hangs", unlearners=(*METHODS, "ssd"), trials=1, more=("--trial-seconds", SECONDS),
        environment={"PYTHONPATH": path, FOLDER: str(runs)},
    )  # fmt: skip
    output, _ = (process := sweep.start()).communicate(timeout=300)
    assert process.returncode == 0, output
    sweep.assert_whole(may_fail=METHODS)
    final = {r["unlearner"]: r for r in rows_of(storage, "hangs") if r["role"] == "trial"}
    assert final["ssd"]["state"] == "complete"
    for method in METHODS:
        assert final[method]["error"] == f"ran longer than the limit of {SECONDS} s"
    assert sorted(file.name.split("-")[0] for file in runs.iterdir()) == ["Holds", "Waits"]
    before = sweep.ended()
    output, _ = (process := sweep.resume()).communicate(timeout=300)
    assert process.returncode == 0, output
    assert sweep.ended() == before, "what failed so is not tried again"
    sweep.assert_whole(may_fail=METHODS)


def test_a_worker_that_is_killed_while_it_waits_for_a_model_leaves_no_overdue_trial(storage):
    """Another process trains that model, for longer than a trial may take."""
    sweep = Sweep(
        storage, "cold", unlearners=("ssd",), trials=1,
        more=("--trial-seconds", "1", "--max-concurrent", "1"),
    )  # fmt: skip
    process = sweep.start()
    process.listen("retrained model: test accuracy")
    (key,) = (r["trial_key"] for r in rows_of(storage, "cold") if r["role"] == "original")
    described = storage / "artifacts" / f"{key}.json"
    with open_root(storage / "artifacts").lock(f"{key}.lock"):
        aside = described.rename(storage / "aside.json")
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS + 8)
        assert kill_some(process, [psutil.Process(process.pid)], WORKER, random.Random(0))
        aside.rename(described)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    sweep.assert_whole()
