"""A private cluster starts what it needs of Ray, and no more."""

from __future__ import annotations

import subprocess
import sys

import pytest
from program import ENVIRONMENT, ROOT

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
SPARED = "autoscaler/_private/monitor.py", "_private/log_monitor.py", "dashboard/dashboard.py"
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
