"""A trial that hangs ends at its time limit as a failed row, whatever it hangs in, and is not tried again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hanging import FOLDER
from program import rows_of
from running import Sweep

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
