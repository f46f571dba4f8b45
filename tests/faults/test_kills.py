"""Whatever dies under a sweep on a real cluster of two nodes: nothing is lost, nothing done twice."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from ray.cluster_utils import Cluster
from running import NODE, Sweep

pytestmark = pytest.mark.slow

SEEDS = range(int(os.environ.get("FAULT_SEEDS", "2")))
TRIALS = 10
"""Of each method: enough for a fault to strike among them."""
STORM, STORM_TRIALS = 12, 40
"""Faults in a row, and trials of each method, which have to last for all of them."""
GRACE_SECONDS = 3.0
"""Between the notice and the end of a preempted node; two minutes on AWS."""


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A head and another node, as processes of this machine."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    nodes = Cluster(initialize_head=True, head_node_args=NODE)
    nodes.add_node(**NODE)
    yield nodes
    nodes.shutdown()


def other_node(cluster: Cluster) -> Any:
    return next(iter(cluster.worker_nodes))


def kill_worker(cluster: Cluster, driver: subprocess.Popen[str], rng: random.Random) -> None:
    """A process that runs trials, wherever it is: what the kernel does when memory is out."""
    for node in (cluster.head_node, other_node(cluster)):
        raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
        for child in raylet.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if "Trial" in " ".join(child.cmdline()) and rng.random() < 0.5:
                    child.kill()


def kill_raylet(cluster: Cluster, driver: subprocess.Popen[str], rng: random.Random) -> None:
    """A node leaves without a word, and comes back."""
    cluster.remove_node(other_node(cluster), allow_graceful=False)
    cluster.add_node(**NODE)


def preempt(cluster: Cluster, driver: subprocess.Popen[str], rng: random.Random) -> None:
    """A spot node: SIGTERM, SIGKILL a moment later; another one comes."""
    node = other_node(cluster)
    raylet = node.all_processes["raylet"][0].process
    raylet.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        raylet.wait(GRACE_SECONDS)
    cluster.remove_node(node, allow_graceful=False)
    cluster.add_node(**NODE)


def kill_driver(cluster: Cluster, driver: subprocess.Popen[str], rng: random.Random) -> None:
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()


FAULTS: dict[str, Callable[[Cluster, subprocess.Popen[str], random.Random], None]] = {
    "worker": kill_worker,
    "raylet": kill_raylet,
    "preemption": preempt,
    "driver": kill_driver,
}


def sweep_on(cluster: Cluster, storage: Path, trials: int = TRIALS) -> Sweep:
    return Sweep(
        storage, "faulty", trials=trials, more=("--address", "auto"),
        environment={"RAY_ADDRESS": cluster.address, "RAY_AUTH_MODE": "disabled"},
    )  # fmt: skip


def trained_models(storage: Path) -> dict[str, int]:
    """When each model was trained."""
    return {f.name: f.stat().st_mtime_ns for f in (storage / "artifacts").glob("*.pt")}


def strike(sweep: Sweep, process: subprocess.Popen[str], rng: random.Random) -> None:
    """Wait for a random moment of the search."""
    sweep.wait_for(process, rng.randrange(sweep.total // 2))
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(rng.uniform(0, 0.5))
    assert process.poll() is None, "the sweep had ended before the fault"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("fault", FAULTS)
def test_the_sweep_is_whole_after_resume(cluster, storage, fault, seed):
    rng = random.Random(f"{fault}-{seed}")
    models = trained_models(storage)
    sweep = sweep_on(cluster, storage)
    process = sweep.start()
    strike(sweep, process, rng)
    FAULTS[fault](cluster, process, rng)
    output, _ = process.communicate(timeout=600)
    kept = sweep.ended()
    if fault != "driver":
        assert process.returncode == 0, output
        assert len(kept) == sweep.total
    output, _ = (process := sweep.resume()).communicate(timeout=600)
    assert process.returncode == 0, output
    after = sweep.ended()
    assert {k: after[k] for k in kept} == kept, "a finished trial was run again or lost"
    sweep.assert_whole()
    assert trained_models(storage) == models


@pytest.mark.parametrize("seed", SEEDS)
def test_one_fault_after_the_other(cluster, storage, seed):
    """A dozen of them, of every kind, at random moments of one sweep."""
    rng = random.Random(f"storm-{seed}")
    models = trained_models(storage)
    sweep = sweep_on(cluster, storage, STORM_TRIALS)
    process = sweep.start()
    kept: dict[str, object] = {}
    for number in range(STORM):
        # Where it strikes next, on the way from what is finished to the end.
        ahead = (sweep.total - len(kept)) // (STORM - number)
        sweep.wait_for(process, len(kept) + rng.randrange(ahead))
        FAULTS[rng.choice(list(FAULTS))](cluster, process, rng)
        if process.poll() is not None:
            process = sweep.resume()
        after = sweep.ended()
        assert {k: after[k] for k in kept} == kept, "a finished trial was run again or lost"
        kept = after
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    sweep.assert_whole()
    assert trained_models(storage) == models


def test_a_sweep_whose_head_died_is_resumed_on_another_cluster(cluster, storage):
    sweep = sweep_on(cluster, storage)
    process = sweep.start()
    strike(sweep, process, random.Random(0))
    cluster.head_node.kill_all_processes(check_alive=False, allow_graceful=False)
    output, _ = process.communicate(timeout=600)
    assert process.returncode not in (0, 2), output
    kept = sweep.ended()
    elsewhere = Sweep(storage, "faulty", trials=TRIALS)
    output, _ = (process := elsewhere.resume("--address", "local")).communicate(timeout=600)
    assert process.returncode == 0, output
    after = elsewhere.ended()
    assert {k: after[k] for k in kept} == kept, "a finished trial was run again or lost"
    elsewhere.assert_whole()


def test_a_killed_trainer_is_replaced(tmp_path):
    """The process that trains the models: a spot node that goes, or the kernel short of memory."""
    sweep = Sweep(tmp_path / "storage", "untrained", unlearners=("ssd",), trials=1)
    process = sweep.start()
    assert process.stdout is not None
    for line in process.stdout:
        if "original model: epoch" in line:
            break
    for child in psutil.Process(process.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if "baselines" in " ".join(child.cmdline()):
                child.kill()
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    assert "started again" in output
    sweep.assert_whole()
