"""Sweeps on a Ray cluster that runs already: from a machine of it, and from outside."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from program import ENVIRONMENT, rows_of

pytestmark = pytest.mark.slow

# A machine that has run Ray has a token, and a head that finds one asks for it: say which, on both sides.
NO_TOKEN = {"RAY_AUTH_MODE": "disabled"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def head() -> Iterator[tuple[int, int]]:
    """A real head node with two CPUs: the ports of the cluster and of its client server."""
    cluster, client = free_port(), free_port()
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # Ray's sockets need a short path
        command = [
            str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", "--num-cpus=2",
            f"--port={cluster}", f"--ray-client-server-port={client}", "--include-dashboard=false",
            f"--temp-dir={folder}",
        ]  # fmt: skip
        node = subprocess.Popen(
            command, env=ENVIRONMENT | NO_TOKEN, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        )  # fmt: skip
        assert node.stdout is not None
        said = ""
        while "Ray runtime started" not in said:
            line = node.stdout.readline()
            assert line, said
            said += line
        yield cluster, client
        os.killpg(node.pid, signal.SIGTERM)
        node.communicate(timeout=60)


@pytest.mark.parametrize("address", ["auto", "ray"])
def test_a_sweep_on_a_cluster_that_runs_already(storage, orchestrate, head, address):
    cluster, client = head
    spelt = {"auto": "auto", "ray": f"ray://127.0.0.1:{client}"}[address]
    done = orchestrate(
        "sweep", "--task", "digits-class:1", "--unlearners", "ssd,gradient-ascent", "--trials", "2",
        "--storage", storage, "--name", address, "--address", spelt,
        RAY_ADDRESS=f"127.0.0.1:{cluster}" if address == "auto" else "", **NO_TOKEN,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Pareto front of {address}" in done.stdout
    final = [r for r in rows_of(storage, address) if r["role"] == "trial" and r["final"]]
    assert [r["state"] for r in final] == ["complete"] * 4


def test_bad_input_that_only_the_cluster_finds_is_one_line(storage, orchestrate, head):
    refused = orchestrate(
        "sweep", "--task", "digits-class:eleven", "--storage", storage, "--address",
        f"ray://127.0.0.1:{head[1]}", **NO_TOKEN,
    )  # fmt: skip
    assert refused.returncode == 2, refused.stderr
    assert "0, 1, 2, 3, 4, 5, 6, 7, 8, 9" in refused.stderr
    assert "Traceback" not in refused.stderr
