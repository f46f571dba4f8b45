"""What dies, or seems to, under a sweep on a real cluster of two nodes."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable
from typing import Any

import psutil
from ray.cluster_utils import Cluster
from running import Driver, new_node

GRACE_SECONDS = 3.0
"""Between the notice and the end of a preempted node; two minutes on AWS."""
HEALTH_CHECKS = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
}
"""Ray's own take half a minute to miss a node."""
WORKER, TRAINER = ("ResourceTrainable",), ("prepare_models", "train_model")
"""In the titles of the processes that run trials, and of those that train the models."""

Fault = Callable[[Cluster, Driver, random.Random], None]


def other_node(cluster: Cluster) -> Any:
    return next(iter(cluster.worker_nodes))


def raylet_of(node: Any) -> psutil.Process:
    return psutil.Process(node.all_processes["raylet"][0].process.pid)


def kill_some(
    driver: Driver, parents: list[psutil.Process], titles: tuple[str, ...], rng: random.Random
) -> int:
    """Kill one or more of the processes below these with one of the titles; waits for one to appear."""
    while driver.poll() is None:
        found = []
        for parent in parents:
            with contextlib.suppress(psutil.NoSuchProcess):
                found += [p for p in parent.children(recursive=True) if titled(p, titles)]
        if found:
            chosen = rng.sample(found, rng.randint(1, len(found)))
            for process in chosen:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            return len(chosen)
        time.sleep(0.02)
    return 0


def titled(process: psutil.Process, titles: tuple[str, ...]) -> bool:
    try:
        command = " ".join(process.cmdline())
        return any(title in command for title in titles)
    except psutil.Error:
        return False


def kill_worker(cluster: Cluster, driver: Driver, rng: random.Random) -> None:
    """A process that runs trials, wherever it is: what the kernel does when memory is out."""
    nodes = [cluster.head_node, *cluster.worker_nodes]
    killed = kill_some(driver, [raylet_of(node) for node in nodes], WORKER, rng)
    assert killed, f"the sweep had ended before the fault: {driver.said}"


def kill_raylet(cluster: Cluster, driver: Driver, rng: random.Random) -> None:
    """A node leaves without a word, and comes back."""
    cluster.remove_node(other_node(cluster), allow_graceful=False)
    cluster.add_node(**new_node())


def preempt(cluster: Cluster, driver: Driver, rng: random.Random) -> None:
    """A spot node: SIGTERM, SIGKILL a moment later; another one comes."""
    node = other_node(cluster)
    raylet = raylet_of(node)
    raylet.terminate()
    with contextlib.suppress(psutil.TimeoutExpired):
        raylet.wait(GRACE_SECONDS)
    cluster.remove_node(node, allow_graceful=False)
    cluster.add_node(**new_node())


def cut_off(cluster: Cluster, driver: Driver, rng: random.Random) -> None:
    """A node is out of reach until Ray has given it up; then all of it goes on where it was."""
    node = other_node(cluster)
    raylet = raylet_of(node)
    frozen = [raylet, *raylet.children(recursive=True)]
    for process in frozen:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.suspend()
    while is_alive(cluster, node.node_id):
        time.sleep(0.1)
    cluster.add_node(**new_node())
    for process in frozen:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.resume()
    psutil.wait_procs([raylet], timeout=60)  # it learns that it was given up
    cluster.remove_node(node, allow_graceful=False)


def is_alive(cluster: Cluster, node_id: str) -> bool:
    nodes = cluster.global_state.node_table()
    return any(n["NodeID"] == node_id and n["Alive"] for n in nodes)


def kill_driver(cluster: Cluster, driver: Driver, rng: random.Random) -> None:
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()


FAULTS: dict[str, Fault] = {
    "worker": kill_worker,
    "raylet": kill_raylet,
    "preemption": preempt,
    "cut-off": cut_off,
    "driver": kill_driver,
}
