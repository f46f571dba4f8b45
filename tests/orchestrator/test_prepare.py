"""Preparing the two models: what is said while another sweep holds what it needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from program import ENVIRONMENT, ROOT

SCRIPT = """
import sys
import ray
from rich.console import Console
from orchestrator.cluster import connected
from orchestrator.prepare import Preparation
from orchestrator.view import View
from orchestrator.worker import WorkerSettings
from tasks.task import Task

@ray.remote(num_cpus=1)
class OtherSweep:
    def there(self):
        return True

class Freeing(View):
    def say(self, text):
        print(text, flush=True)
        if "in use now" in text:
            ray.kill(other)

with connected("local") as resources:
    task, storage = Task.named("digits-class:1"), sys.argv[1]
    settings = WorkerSettings("s", task, storage, None, "auto", 1, 0.0, (), None)
    other = OtherSweep.remote()
    ray.get(other.there.remote())
    while ray.available_resources().get("CPU", 0) >= resources.cpus_of_a_node:
        pass  # Ray's nodes report what is free now and then
    busy = Preparation(settings, resources, calibrate=False)
    print(busy.retrained(1, {}, Freeing(Console()))["role"], flush=True)
"""


def test_that_it_waits_for_a_node_is_said(storage: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, storage],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert sum("in use now" in line for line in lines) == 1
    assert lines[-1] == "retrained"
