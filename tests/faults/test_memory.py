"""A worker that takes more memory than its node has: Ray ends it before the kernel must."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest
from program import rows_of
from running import Sweep

pytestmark = pytest.mark.slow

METHOD = "hungry:Hungry"
ROOM = 3 * 2**30
"""Bytes that the sweep may take beyond what is in use now: Ray itself and two workers need half."""


def test_a_worker_out_of_memory_is_a_failed_row_and_the_sweep_goes_on(storage):
    memory = psutil.virtual_memory()
    if memory.available < 2 * ROOM:
        pytest.skip("needs 6 GiB of free memory")
    limit = (memory.total - memory.available + ROOM) / memory.total
    sweep = Sweep(
        storage, "hungry", unlearners=(METHOD, "finetune"), trials=2, more=("--max-concurrent", "1"),
        environment={
            "RAY_memory_usage_threshold": f"{limit:.3f}",
            "RAY_memory_monitor_refresh_ms": "50",
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]),
        },
    )  # fmt: skip
    output, _ = (process := sweep.start()).communicate(timeout=600)
    assert process.returncode == 0, output
    sweep.assert_whole(may_fail=[METHOD])
    final = [r for r in rows_of(storage, "hungry") if r["final"] and r["role"] == "trial"]
    states = {(r["unlearner"], r["state"]) for r in final}
    assert states == {(METHOD, "failed"), ("finetune", "complete")}
    errors = [r["error"] for r in final if r["state"] == "failed"]
    assert all("out of memory" in error for error in errors), errors
    before = sweep.ended()
    output, _ = (process := sweep.resume()).communicate(timeout=600)
    assert process.returncode == 0, output
    assert sweep.ended() == before, "what failed so is not tried again"
    sweep.assert_whole(may_fail=[METHOD])
