"""A node that can run no trial, for what is on its own disk: the others run the sweep; alone it ends it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pictures import small_cifar10
from ray.cluster_utils import Cluster
from running import HEAD, Driver, Sweep, new_node
from waiting import FOLDER, GO

from tasks.datasets.cifar10 import load_cifar10
from tasks.datasets.dataset import LabelledImages
from tasks.datasets.formats.decoded_cache import CHECKSUM, machine_cache, seal_copy

pytestmark = pytest.mark.slow

CACHE = "XDG_CACHE_HOME"
METHOD = "waiting:Waiting"
SLOTS = {"num_cpus": 2}
"""Of each node: those of the unfit one are free whenever a trial looks for another."""
REFUSED = "deaths.UnfitWorker:"
"""What Tune says of a trial that came to the unfit node."""
SETTLING_SECONDS = 10.0
"""In which a trial that was sent back to the same node would be on its way there."""


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of CIFAR-10, which this machine has decoded."""
    (tmp_path / "runs").mkdir()
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    for name, value in {CACHE: "cache", FOLDER: "runs"}.items():
        monkeypatch.setenv(name, str(tmp_path / value))
    monkeypatch.setenv("PYTHONPATH", path)
    folder = small_cifar10(tmp_path / "data")
    load_cifar10(folder)
    return folder


def no_disk(elsewhere: Path) -> Path:
    """A node that cannot write to its cache."""
    return Path("/dev/null")


def other_pictures(elsewhere: Path) -> Path:
    """A node that has other pictures where the rest have theirs."""
    shutil.copytree(machine_cache().parent, elsewhere)
    for folder in (file.parent for file in elsewhere.rglob("images.npy")):
        data = LabelledImages(255 - np.load(folder / "images.npy"), np.load(folder / "labels.npy"))
        np.save(folder / "images.npy", data.images)
        (folder / CHECKSUM).write_text(
            seal_copy(data)
        )  # without it the node would decode them again
    return elsewhere


@pytest.fixture(params=[no_disk, other_pictures])
def two_nodes(
    request: pytest.FixtureRequest, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Cluster]:
    """A head, and a node that is unfit for any trial."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    nodes = Cluster(initialize_head=True, head_node_args={**HEAD, **SLOTS})
    monkeypatch.setenv(CACHE, str(request.param(tmp_path / "elsewhere")))
    nodes.add_node(**{**new_node(), **SLOTS})
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    yield nodes
    nodes.shutdown()


def sweep_of(
    pictures: Path, tmp_path: Path, trials: int, *more: str, **more_environment: str
) -> Sweep:
    names = (CACHE, FOLDER, "PYTHONPATH")
    return Sweep(
        tmp_path / "storage", "unfit", unlearners=(METHOD,), trials=trials,
        task="cifar10-class:automobile",
        more=("--model", "small-cnn", "--data-dir", str(pictures), *more),
        environment={name: os.environ[name] for name in names} | more_environment,
    )  # fmt: skip


def wait_until_each_place_was_tried(process: Driver, runs: Path) -> None:
    while (
        process.said.count(REFUSED) < SLOTS["num_cpus"]
        or len(list(runs.iterdir())) < SLOTS["num_cpus"]
    ):
        assert process.poll() is None, process.said
        time.sleep(0.1)


def test_a_sweep_is_whole_though_one_of_its_nodes_is_unfit(two_nodes, pictures, tmp_path):
    """While all other places are taken for long."""
    sweep = sweep_of(
        pictures, tmp_path, 6, "--address", "auto",
        RAY_ADDRESS=two_nodes.address, RAY_AUTH_MODE="disabled",
    )  # fmt: skip
    process = sweep.start()
    wait_until_each_place_was_tried(process, tmp_path / "runs")
    time.sleep(SETTLING_SECONDS)
    (tmp_path / "runs" / GO).touch()
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    assert output.count(REFUSED) == SLOTS["num_cpus"], output
    sweep.assert_whole()


def test_a_machine_whose_data_are_gone_ends_the_sweep_to_be_resumed(pictures, tmp_path):
    sweep = sweep_of(pictures, tmp_path, 1)
    process = sweep.start()
    process.listen("retrained model: test accuracy")
    (tmp_path / "runs" / GO).touch()
    (tmp_path / "cache").rename(tmp_path / "aside")
    (tmp_path / "cache").write_text("no folder")
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 1, output
    assert "resume" in output.splitlines()[-1]
    assert str(tmp_path / "cache") in output.splitlines()[-1]
    assert sweep.ended() == {}
    (tmp_path / "cache").unlink()
    output, _ = (process := sweep.resume()).communicate(timeout=300)
    assert process.returncode == 0, output
    sweep.assert_whole()


def test_the_only_node_that_is_large_enough_is_unfit(pictures, tmp_path, monkeypatch):
    """The head has no CPU for trials, as in a cloud: nobody is left to wait for."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    nodes = Cluster(initialize_head=True, head_node_args={**HEAD, "num_cpus": 0})
    try:
        monkeypatch.setenv(CACHE, str(no_disk(tmp_path)))
        nodes.add_node(**{**new_node(), **SLOTS})
        monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
        sweep = sweep_of(
            pictures, tmp_path, 1, "--address", "auto",
            RAY_ADDRESS=nodes.address, RAY_AUTH_MODE="disabled",
        )  # fmt: skip
        process = sweep.start()
        output, _ = process.communicate(timeout=120)
    finally:
        nodes.shutdown()
    assert process.returncode == 1, output
    assert "/dev/null" in output.splitlines()[-1], output
    assert "resume" in output.splitlines()[-1], output
