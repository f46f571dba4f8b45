"""Preparing the two models: what is said while another sweep holds what it needs, or no node has it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from program import ENVIRONMENT, ROOT

SCRIPT = """
import os
import sys
import ray
from rich.console import Console
from orchestrator.cluster.connection import connect_ray
from orchestrator.sweeps.stages.preparation import Preparation
from orchestrator.reporting.terminal import Terminal
from orchestrator.worker.settings import WorkerSettings
from tasks.task import Task

@ray.remote(num_cpus=os.cpu_count())
class OtherSweep:
    def there(self):
        return True

class Freeing(Terminal):
    def say(self, text):
        print(text, flush=True)
        if "are in use" in text:
            ray.kill(other)

with connect_ray("local") as resources:
    task, storage = Task.named("digits-class:1"), sys.argv[1]
    settings = WorkerSettings("s", task, storage, None, "auto", 1, 0.0, (), None)
    other = OtherSweep.remote()
    ray.get(other.there.remote())
    while ray.available_resources().get("CPU", 0) >= 1:
        pass  # Ray's nodes report what is free now and then
    busy = Preparation(settings, resources, calibrate=False)
    print(*busy.wait_for_models(1, {}, Freeing(Console())), flush=True)
"""


def said_by(script: str, *arguments: str | Path) -> str:
    """What a process of its own prints."""
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_that_it_waits_for_a_node_is_said(storage: Path) -> None:
    lines = said_by(SCRIPT, storage).splitlines()
    assert sum("are in use" in line for line in lines) == 1
    assert lines[-1] == "original retrained reference-1"


NO_NODE = """
import sys
import ray
from rich.console import Console
from orchestrator.cluster.connection import connect_ray
from orchestrator.sweeps.stages.preparation import Preparation
from orchestrator.reporting.terminal import Terminal
from orchestrator.worker.settings import WorkerSettings
from tasks.task import Task

class UntilItWaits(Terminal):
    def say(self, text):
        print(text, flush=True)
        if "waits until the cluster adds" in text:
            sys.exit()

head, cpus, gpus = map(int, sys.argv[2:])
ray.init("local", num_cpus=head, num_gpus=0, include_dashboard=False)
with connect_ray("auto") as resources:
    task, storage = Task.named("digits-class:1"), sys.argv[1]
    settings = WorkerSettings("s", task, storage, None, "auto", cpus, gpus / 4, (), None)
    Preparation(settings, resources, calibrate=False).wait_for_models(8, {}, UntilItWaits(Console()))
"""


@pytest.mark.parametrize(
    ("head", "cpus", "gpus", "trial"),
    [
        (0, 1, 0, "1 CPU"),
        (2, 64, 0, "64 CPUs"),
        (2, 2, 1, "2 CPUs and 0.25 GPUs"),
    ],
    ids=["a head without trials", "more CPUs than a node has", "a GPU that no node has"],
)
def test_that_no_node_has_what_it_asks_for_is_said(tmp_path, head, cpus, gpus, trial):
    """Of the head of an autoscaling cluster nobody else uses anything."""
    asked = map(str, (tmp_path, head, cpus, gpus))
    said = said_by(NO_NODE, *asked)
    assert "in use" not in said
    assert (
        f"no node has room for a trial of {trial} yet: the sweep waits until the cluster adds"
        in said
    )
