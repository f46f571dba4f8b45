"""A node that is lost is not the fault of the trial on it, up to a point; a worker's death may be."""

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

pytestmark = pytest.mark.slow

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
    """Wait for the trial to run in a process that is not among those seen; notes and returns it."""
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


def struck(
    cluster: Cluster, storage: Path, runs: Path, times: int, fault: Callable[[Cluster, int], None]
) -> dict[str, object]:
    """The row of a trial that `fault` has struck so many times, and that then may end."""
    sweep = Sweep(
        storage, "lost", unlearners=(METHOD,), trials=1, more=("--address", "auto"),
        environment={"RAY_ADDRESS": cluster.address, "RAY_AUTH_MODE": "disabled", "PYTHONPATH": HERE},
    )  # fmt: skip
    process = sweep.start()
    seen: set[int] = set()
    for _ in range(times):
        fault(cluster, next_run(process, runs, seen))
    (runs / GO).touch()
    output, _ = process.communicate(timeout=600)
    assert "Pareto front" in output, output
    (row,) = (r for r in rows_of(storage, "lost") if r["role"] == "trial")
    return row


def test_a_trial_may_lose_its_node_more_often_than_its_worker(one_for_trials, storage, runs):
    row = struck(one_for_trials, storage, runs, LOSSES, lose_node)
    assert (row["state"], row["error"]) == ("complete", None)


def test_a_trial_that_always_takes_its_node_down_is_a_failed_row(one_for_trials, storage, runs):
    row = struck(one_for_trials, storage, runs, MAX_LOSSES + 1, lose_node)
    assert row["state"] == "failed"
    assert f"its node was lost {MAX_LOSSES + 1} times, at last: " in str(row["error"])


def test_a_trial_whose_worker_dies_again_and_again_is_a_failed_row(one_for_trials, storage, runs):
    row = struck(one_for_trials, storage, runs, MAX_DEATHS + 1, kill_worker)
    assert row["state"] == "failed"
    assert f"the worker died {MAX_DEATHS + 1} times, at last: " in str(row["error"])
    assert "worker process has died" in str(row["error"])
