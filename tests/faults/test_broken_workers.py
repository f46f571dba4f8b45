"""A worker that cannot take another trial is replaced, and that trial runs in the next."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from breaking import RAN_IN
from running import Sweep

pytestmark = pytest.mark.slow


def test_a_trial_that_finds_its_worker_broken_runs_in_another(storage, tmp_path):
    (ran_in := tmp_path / "processes").mkdir()
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    sweep = Sweep(
        storage, "broken", unlearners=("breaking:Breaking",), trials=2,
        more=("--max-concurrent", "1"), environment={"PYTHONPATH": path, RAN_IN: str(ran_in)},
    )  # fmt: skip
    output, _ = (process := sweep.start()).communicate(timeout=300)
    assert process.returncode == 0, output
    assert len(list(ran_in.iterdir())) == 2, "the worker was to be broken"
    sweep.assert_whole()
