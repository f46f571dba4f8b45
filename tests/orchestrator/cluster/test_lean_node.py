"""A private cluster starts what it needs of Ray, and no more."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from program import ENVIRONMENT, ROOT
from ray import NodeID, _raylet

from orchestrator.cluster.private import agent_stand_in

PROGRAM = """
import psutil
from orchestrator.cluster.connection import connect_ray

with connect_ray("local"):
    import ray
    assert ray.get(ray.remote(lambda: 7).remote()) == 7
    for process in psutil.Process().children(recursive=True):
        print(*process.cmdline())
"""
ALTERED = """
from ray._private.node import Node

start = Node.start_monitor
Node.start_monitor = lambda node, *more: start(node)
"""
SPARED = (
    "autoscaler/_private/monitor.py", "_private/log_monitor.py", "dashboard/dashboard.py",
    "ray::DashboardAgent", "ray::RuntimeEnvAgent",
)  # fmt: skip
NEEDED = "gcs/gcs_server", "raylet/raylet"


@pytest.mark.parametrize(
    ("before", "there"), [("", []), (ALTERED, list(SPARED))], ids=["as we know it", "another Ray"]
)
def test_the_helpers_of_a_private_node_are_spared_where_ray_is_as_we_know_it(
    before: str, there: list[str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", before + PROGRAM],
        cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(name in done.stdout for name in NEEDED)
    assert [name for name in SPARED if name in done.stdout] == there


WHERE = """
from orchestrator.cluster.connection import connect_ray, warm_environment

def find_code():
    import orchestrator.worker.trial_worker, tasks
    return orchestrator.worker.trial_worker.__file__, tasks.__file__

with connect_ray("local", warm_environment(1, 1)):
    import ray
    print(*ray.get(ray.remote(find_code).remote()), sep="\\n")
"""


def test_a_worker_runs_the_code_of_its_driver_and_not_the_one_that_is_installed(
    tmp_path: Path,
) -> None:
    """What a worker imports before it is told where the driver's code is would be of the installed copy."""
    for package in ("orchestrator", "tasks"):
        shutil.copytree(ROOT / package, tmp_path / package)
    environment = {name: value for name, value in ENVIRONMENT.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", WHERE],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    found = done.stdout.splitlines()
    assert len(found) == 2, done.stderr
    assert all(Path(file).is_relative_to(tmp_path) for file in found), found


ASKS = """
import os
import psutil
from orchestrator.cluster.connection import connect_ray

with connect_ray("local"):
    import ray
    ask = ray.remote(lambda name: os.environ.get(name)).options(runtime_env={"env_vars": {"TOLD": "so"}})
    print(ray.get(ask.remote("TOLD"), timeout=120))
    print(*(" ".join(p.cmdline()) for p in psutil.Process().children(recursive=True)))
"""


def test_an_agent_is_there_once_a_worker_needs_it() -> None:
    """An own method may start tasks of its own, in an environment of their own."""
    done = subprocess.run(
        [sys.executable, "-c", ASKS],
        cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    said, processes = done.stdout.splitlines()
    assert said == "so", done.stderr
    assert "ray::RuntimeEnvAgent" in processes
    assert "ray::DashboardAgent" not in processes


def test_a_stand_in_writes_what_ray_writes(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    names = [
        _raylet.METRICS_AGENT_PORT_NAME, _raylet.METRICS_EXPORT_PORT_NAME,
        _raylet.DASHBOARD_AGENT_LISTEN_PORT_NAME, _raylet.RUNTIME_ENV_AGENT_PORT_NAME,
    ]  # fmt: skip
    assert [*agent_stand_in.UNUSED, agent_stand_in.ENVIRONMENTS] == names
    node = NodeID.from_random().hex()
    for folder in (ours, theirs):
        folder.mkdir()
    for number, name in enumerate(names):
        agent_stand_in.write_port(str(ours), name, node, number - 1)
        _raylet.persist_port(str(theirs), node, name, number - 1)
    assert [(f.name, f.read_bytes()) for f in sorted(ours.iterdir())] == [
        (f.name, f.read_bytes()) for f in sorted(theirs.iterdir())
    ]


STARTS = """
import os, subprocess, sys
environment = {**os.environ, "RAY_RAYLET_PID": str(os.getpid())}
print(subprocess.Popen(sys.argv[1:], env=environment, stdout=subprocess.DEVNULL).pid, flush=True)
input()
"""


@pytest.mark.parametrize("agent", [[], ["--runtime-env-agent-port=0"]], ids=["one", "the other"])
def test_a_stand_in_ends_with_the_raylet(tmp_path: Path, agent: list[str]) -> None:
    """The raylet, killed, leaves nothing behind that would hold its folder."""
    options = [f"--session-dir={tmp_path}", "--node-id=a", "--node-ip-address=127.0.0.1", *agent]
    command = [sys.executable, "-I", "-S", agent_stand_in.__file__, "an agent", *options]
    raylet = subprocess.Popen(
        [sys.executable, "-c", STARTS, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert raylet.stdout is not None
    stand_in = psutil.Process(int(raylet.stdout.readline()))
    raylet.kill()
    raylet.communicate()
    stand_in.wait(timeout=60)
