"""A lost node is not the fault of the trial on it, up to a point; the death of a worker may be.

Unlike the slow tests of kills, every fault here strikes a trial that waits, so that none comes too early or too late.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from program import rows_of
from ray.cluster_utils import Cluster
from running import HEAD, Driver, Sweep, new_node
from waiting import FOLDER, GO

from orchestrator.execution.worker_deaths import MAX_DEATHS, MAX_LOSSES

HERE = str(Path(__file__).parent)
METHOD = "waiting:Waiting"
LOSSES = MAX_DEATHS + 2
"""More than the deaths of a worker that a trial may have."""


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the trials say that they run; the nodes have to know it before they start."""
    folder = tmp_path / "runs"
    folder.mkdir()
    monkeypatch.setenv(FOLDER, str(folder))
    monkeypatch.setenv("PYTHONPATH", HERE)
    return folder


@pytest.fixture
def one_for_trials(runs: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A head without room for a trial, and a node with."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    nodes = Cluster(initialize_head=True, head_node_args={**HEAD, "num_cpus": 0})
    nodes.add_node(**new_node())
    yield nodes
    nodes.shutdown()


def lose_node(cluster: Cluster, pid: int) -> None:
    """As a spot instance is lost: all of it at once."""
    cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
    cluster.add_node(**new_node())


def kill_worker(cluster: Cluster, pid: int) -> None:
    """The process of the trial alone."""
    os.kill(pid, signal.SIGKILL)


def next_run(driver: Driver, folder: Path, seen: set[int]) -> int:
    """Wait until the trial runs in a process that is not among those seen; note and return that process."""
    while True:
        new = {int(file.name.removeprefix("run-")) for file in folder.glob("run-*")} - seen
        if new:
            seen |= new
            return new.pop()
        try:
            driver.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
        pytest.fail(f"ended too early: {driver.said}")


def sweep_of_one(cluster: Cluster, storage: Path) -> Sweep:
    """A sweep of a single trial, which waits."""
    return Sweep(
        storage, "lost", unlearners=(METHOD,), trials=1, more=("--address", "auto"),
        environment={"RAY_ADDRESS": cluster.address, "RAY_AUTH_MODE": "disabled", "PYTHONPATH": HERE},
    )  # fmt: skip


def test_a_trial_outlives_its_worker_its_node_and_its_driver(one_for_trials, storage, runs):
    sweep, seen = sweep_of_one(one_for_trials, storage), set[int]()
    models = sweep.models()
    process = sweep.start()
    kill_worker(one_for_trials, next_run(process, runs, seen))
    lose_node(one_for_trials, next_run(process, runs, seen))
    next_run(process, runs, seen)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert sweep.ended() == {}
    process = sweep.resume()
    next_run(process, runs, seen)
    (runs / GO).touch()
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    (row,) = (r for r in rows_of(storage, "lost") if r["role"] == "trial")
    assert (row["state"], row["error"]) == ("complete", None)
    assert sweep.models() == models
    sweep.assert_whole()


def struck(
    cluster: Cluster, storage: Path, runs: Path, times: int, fault: Callable[[Cluster, int], None]
) -> dict[str, object]:
    """Return the row of a trial that `fault` has struck so many times, and that then may end."""
    process = sweep_of_one(cluster, storage).start()
    seen: set[int] = set()
    for _ in range(times):
        fault(cluster, next_run(process, runs, seen))
    (runs / GO).touch()
    output, _ = process.communicate(timeout=600)
    assert "Pareto front" in output, output
    (row,) = (r for r in rows_of(storage, "lost") if r["role"] == "trial")
    return row


@pytest.mark.slow
def test_a_trial_may_lose_its_node_more_often_than_its_worker(one_for_trials, storage, runs):
    row = struck(one_for_trials, storage, runs, LOSSES, lose_node)
    assert (row["state"], row["error"]) == ("complete", None)


@pytest.mark.slow
def test_a_trial_that_always_takes_its_node_down_is_a_failed_row(one_for_trials, storage, runs):
    row = struck(one_for_trials, storage, runs, MAX_LOSSES + 1, lose_node)
    assert row["state"] == "failed"
    assert f"its node was lost {MAX_LOSSES + 1} times, at last: " in str(row["error"])


@pytest.mark.slow
def test_a_trial_whose_worker_dies_again_and_again_is_a_failed_row(one_for_trials, storage, runs):
    row = struck(one_for_trials, storage, runs, MAX_DEATHS + 1, kill_worker)
    assert row["state"] == "failed"
    assert f"the worker died {MAX_DEATHS + 1} times, at last: " in str(row["error"])
    assert "worker process has died" in str(row["error"])
