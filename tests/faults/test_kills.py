"""Whatever dies under a sweep on a real cluster of two nodes: nothing is lost, nothing done twice."""

from __future__ import annotations

import contextlib
import random
import subprocess
from pathlib import Path

import psutil
import pytest
from injected import FAULTS, TRAINER, kill_some, raylet_of
from ray.cluster_utils import Cluster
from running import Driver, Sweep
from seeds import SEEDS

pytestmark = pytest.mark.slow

TRIALS = 10
"""Of each method: enough for a fault to strike among them."""
STORM, STORM_TRIALS = 12, 100
"""Faults in a row, and trials of each method, which have to last for all of them."""
TRAINING_SECONDS = 10.0
"""About what the two models take: the search begins that much later."""


def sweep_on(cluster: Cluster, storage: Path, trials: int = TRIALS) -> Sweep:
    return Sweep(
        storage, "faulty", trials=trials, more=("--address", "auto"),
        environment={"RAY_ADDRESS": cluster.address, "RAY_AUTH_MODE": "disabled"},
    )  # fmt: skip


def strike(sweep: Sweep, process: Driver, rng: random.Random) -> None:
    """Wait for a random moment: of the search, or of the training where there is one."""
    trains = not process.models_before
    sweep.wait_for(process, 0 if trains and rng.random() < 0.5 else rng.randrange(sweep.total // 2))
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(rng.uniform(0, TRAINING_SECONDS if trains and not sweep.ended() else 0.5))
    assert process.poll() is None, "the sweep had ended before the fault"


def kept_by(sweep: Sweep) -> dict[str, object]:
    """What may not change any more: when each trial ended, and when each model was stored."""
    return {**sweep.ended(), **sweep.models()}


def assert_kept(sweep: Sweep, kept: dict[str, object]) -> None:
    after = kept_by(sweep)
    assert {k: after.get(k) for k in kept} == kept, "a trial or a training was repeated or lost"


def assert_resumed(sweep: Sweep, kept: dict[str, object], *more: str) -> None:
    """`resume` ends well, repeats nothing, and leaves a whole sweep."""
    output, _ = (process := sweep.resume(*more)).communicate(timeout=600)
    assert process.returncode == 0, output
    assert_kept(sweep, kept)
    sweep.assert_whole()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("fault", FAULTS)
def test_the_sweep_is_whole_after_resume(cluster, place, fault, seed):
    rng = random.Random(f"{fault}-{seed}")
    sweep = sweep_on(cluster, place)
    process = sweep.start()
    strike(sweep, process, rng)
    before = kept_by(sweep)
    FAULTS[fault](cluster, process, rng)
    output, _ = process.communicate(timeout=600)
    assert_kept(sweep, before)
    if fault != "driver":
        assert process.returncode == 0, output
        assert len(sweep.ended()) == sweep.total
        sweep.assert_whole()
    assert_resumed(sweep, kept_by(sweep))


@pytest.mark.parametrize("seed", SEEDS)
def test_one_fault_after_the_other(cluster, place, seed):
    """A dozen of them, of every kind, at random moments of one sweep."""
    rng = random.Random(f"storm-{seed}")
    sweep = sweep_on(cluster, place, STORM_TRIALS)
    process = sweep.start()
    kinds = [*FAULTS] * (STORM // len(FAULTS)) + rng.sample([*FAULTS], STORM % len(FAULTS))
    rng.shuffle(kinds)
    for number, kind in enumerate(kinds):
        # Where it strikes next, on the way from what is finished to the end; before that, for a
        # fault takes seconds.
        done = len(sweep.ended()) if number else 0
        ahead = max(1, (sweep.total - done) // (STORM - number + 1))
        sweep.wait_for(process, done + rng.randrange(ahead))
        before = kept_by(sweep)
        FAULTS[kind](cluster, process, rng)
        if process.poll() is not None:
            assert kind == "driver" or process.returncode == 0, process.said
            process = sweep.resume()
        assert_kept(sweep, before)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    sweep.assert_whole()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("lost", ["all of it", "raylet"])
def test_a_sweep_whose_head_died_is_resumed_on_another_cluster(cluster, place, lost, seed):
    """The head is the driver's own node too.

    Without its raylet alone the driver dies as soon as it asks that raylet for something. Where the workers on
    the other node are all that it still needs, it ends the sweep instead, and then it must be whole.
    """
    rng = random.Random(f"head-{seed}")
    sweep = sweep_on(cluster, place)
    process = sweep.start()
    strike(sweep, process, rng)
    if lost == "raylet":
        raylet_of(cluster.head_node).kill()
    else:
        cluster.head_node.kill_all_processes(check_alive=False, allow_graceful=False)
    output, _ = process.communicate(timeout=600)
    if lost == "raylet" and process.returncode == 0:
        assert len(sweep.ended()) == sweep.total
        sweep.assert_whole()
    else:
        assert process.returncode not in (0, 2), output
    sweep.environment.clear()
    assert_resumed(sweep, kept_by(sweep), "--address", "local")


@pytest.mark.parametrize("seed", SEEDS)
def test_a_killed_trainer_is_replaced(tmp_path, seed):
    """The process that trains the models: a spot node that goes, or the kernel short of memory."""
    rng = random.Random(f"trainer-{seed}")
    sweep = Sweep(tmp_path / "storage", "untrained", unlearners=("ssd",), trials=1)
    process = sweep.start()
    process.listen(f"{rng.choice(['original', 'retrained'])} model: epoch ")
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(rng.uniform(0, 1))
    before = kept_by(sweep)
    assert kill_some(process, [psutil.Process(process.pid)], TRAINER, rng)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    assert "this part starts again" in output
    assert_kept(sweep, before)
    sweep.assert_whole()
    assert_resumed(sweep, kept_by(sweep))
