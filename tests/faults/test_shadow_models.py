"""Shadow models of a confirmation whose driver or worker is killed: none is trained twice, the numbers stay."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from injected import TRAINER, WORKER, kill_some
from program import ENVIRONMENT, command, rows_of
from running import Driver

from orchestrator.results.store import read_results
from tasks.evaluation import every_metric

pytestmark = pytest.mark.slow

MODELS, EPOCHS = 8, 4
ASKED = (
    "--points", "methods", "--seeds", "1", "--metrics", "u_lira_auc", "--shadows", str(MODELS),
)  # fmt: skip
Orchestrate = Callable[..., "subprocess.CompletedProcess[str]"]
Numbers = dict[str, float | None]


@dataclass(frozen=True)
class Confirmed:
    """A storage root with a sweep `s`, whose one point is confirmed there by shadow models."""

    storage: Path

    def start(self, *more: str) -> Driver:
        """Start the confirmation, or go on with it."""
        arguments = command("confirm", "s", *ASKED, "--storage", self.storage, *more)
        return Driver(arguments, ENVIRONMENT, 0)

    def list_stored(self, ending: str) -> dict[str, int]:
        """List when each model (json) or what it said (signals) was stored, by its key."""
        files = (self.storage / "artifacts").glob(f"*.{ending}")
        return {file.stem: file.stat().st_mtime_ns for file in files}

    def read_numbers(self) -> Numbers:
        """Read every metric of the confirmed point."""
        (name,) = (n for n in {*read_results(self.storage)["sweep"].to_pylist()} if n != "s")
        (row,) = (r for r in rows_of(self.storage, name) if r["role"] == "trial" and r["final"])
        return {metric: row[metric] for metric in every_metric()}


@dataclass(frozen=True)
class Whole:
    """The numbers and the models of a run without interruption."""

    numbers: Numbers
    others: set[str]
    """Keys of the models that are no shadow models: the weights of these are deleted in the end."""


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory, orchestrate: Orchestrate) -> Path:
    storage = tmp_path_factory.mktemp("searched")
    done = orchestrate(
        "sweep", "--task", "digits-class:1", "--name", "s", "--unlearners", "ssd", "--trials", "1",
        "--recipe", f"epochs={EPOCHS}", "--storage", storage,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return storage


@pytest.fixture(scope="module")
def whole(searched: Path, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    run = copy_of(searched, tmp_path_factory.mktemp("whole") / "storage")
    assert end(driver := run.start()) == 0, driver.said
    assert list_trained(driver) == [*range(MODELS)]
    assert run.read_numbers()["u_lira_auc"] is not None
    return Whole(run.read_numbers(), {*run.list_stored("json")})


@pytest.mark.parametrize("who", ["driver", "worker"])
@pytest.mark.parametrize("when", ["json", "signals"])
def test_what_is_stored_is_not_made_again(
    searched: Path, whole: Whole, tmp_path: Path, when: str, who: str
) -> None:
    run = copy_of(searched, tmp_path / "storage")

    def kept() -> dict[str, int]:
        models = run.list_stored("json").items()
        return {k: t for k, t in models if k not in whole.others} | run.list_stored("signals")

    driver = run.start("--keep-shadows")
    wait_until(lambda: bool(kept().keys() & run.list_stored(when)), driver)
    titles = TRAINER if when == "json" else WORKER
    before = kept()
    if who == "driver":
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()
    else:
        below = [psutil.Process(driver.pid)]
        assert kill_some(driver, below, titles, random.Random(0)), driver.said
        assert end(driver) == 0, driver.said
    first = {k: t for k, t in kept().items() if k in before}
    again = run.start("--keep-shadows")
    assert end(again) == 0, again.said
    after = kept()
    assert first == before == {k: after[k] for k in before}, "stored twice"
    models = len(before.keys() & run.list_stored("json"))
    assert len(list_trained(again)) <= (MODELS - models if who == "driver" else 0)
    assert run.read_numbers() == whole.numbers


def copy_of(searched: Path, place: Path) -> Confirmed:
    shutil.copytree(searched, place)
    return Confirmed(place)


def list_trained(driver: Driver) -> list[int]:
    """List the shadow models that a driver saw trained to their last epoch."""
    said = re.findall(rf"shadow-(\d+) model: epoch {EPOCHS}/{EPOCHS}", driver.said)
    return sorted(map(int, said))


def end(driver: Driver) -> int:
    return driver.wait(timeout=600)


def wait_until(holds: Callable[[], bool], driver: Driver) -> None:
    while not holds():
        with contextlib.suppress(subprocess.TimeoutExpired):
            driver.wait(timeout=0.02)
            pytest.fail(f"ended too early: {driver.said}")
