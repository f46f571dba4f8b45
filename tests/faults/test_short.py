"""Two faults in one small sweep, in CI's time: the rest of them takes minutes."""

from __future__ import annotations

import os
import random
import signal

import psutil
from injected import WORKER, kill_some
from running import Sweep


def test_a_worker_and_a_driver_killed_in_one_sweep_cost_nothing(storage):
    rng = random.Random(0)
    sweep = Sweep(storage, "short")
    models = sweep.models()
    process = sweep.start()
    sweep.wait_for(process, rng.randrange(1, 3))
    assert kill_some(process, [psutil.Process(process.pid)], WORKER, rng)
    sweep.wait_for(process, rng.randrange(4, 6))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kept = sweep.ended()
    assert len(kept) < sweep.total
    output, _ = (process := sweep.resume()).communicate(timeout=120)
    assert process.returncode == 0, output
    after = sweep.ended()
    assert {k: after[k] for k in kept} == kept, "a finished trial was run again or lost"
    assert sweep.models() == models
    sweep.assert_whole()
