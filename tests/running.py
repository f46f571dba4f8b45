"""A sweep as tests start it in the background, wait for it, and look at what it leaves."""

from __future__ import annotations

import contextlib
import itertools
import re
import subprocess
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from program import ENVIRONMENT, ROOT, command, rows_of
from whole import check_files, check_study, files_of

from orchestrator.results.store import read_finished_trials

HEAD = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "include_dashboard": False}
"""The first node of a cluster, as ray.cluster_utils takes it: with room for one trial."""
_NODES = itertools.count()


def new_node() -> dict[str, object]:
    """Another one.

    All of them share one folder of the session; real nodes do not, so that what one has unpacked of the
    project is not deleted by another that starts.
    """
    return {**HEAD, "runtime_env_dir_name": f"runtime_resources_{next(_NODES)}"}


class Driver(subprocess.Popen[str]):
    """A driver whose words go to a file: nobody has to listen for it to go on."""

    def __init__(self, arguments: list[str], environment: dict[str, str], models: int) -> None:
        self.models_before = models
        """Trained models that it found."""
        with tempfile.NamedTemporaryFile("w", prefix="driver-", suffix=".log", delete=False) as log:
            self._log = Path(log.name)
            super().__init__(
                arguments, cwd=ROOT, env=environment, text=True, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    @property
    def said(self) -> str:
        """All of its words so far."""
        return self._log.read_text(errors="replace")

    def communicate(
        self, input: str | None = None, timeout: float | None = None
    ) -> tuple[str, str]:
        """Wait for its end; returns all it said."""
        self.wait(timeout)
        return self.said, ""

    def listen(self, words: str) -> None:
        """Block until it has said these words; fails if it ends before that."""
        while words not in self.said:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.wait(timeout=0.05)
                assert words in self.said, self.said
                return

    def trained(self) -> list[str]:
        """The models that it saw trained to their last epoch."""
        ends = re.findall(r"(original|retrained) model: epoch (\d+)/(\d+)", self.said)
        return [what for what, epoch, epochs in ends if epoch == epochs]


@dataclass(frozen=True)
class Sweep:
    """A sweep, and where it is."""

    storage: Path
    name: str
    unlearners: tuple[str, ...] = ("finetune", "negative-gradient+", "ssd")
    trials: int = 3
    task: str = "digits-class:1"
    more: tuple[str, ...] = ()
    """Further flags."""
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Trials of the whole sweep."""
        return self.trials * len(self.unlearners)

    drivers: list[Driver] = field(default_factory=list, compare=False)
    """Every one that was started on it."""

    def start(self) -> Driver:
        """The driver, in a session of its own."""
        return self._process(
            "sweep", "--task", self.task, "--unlearners", ",".join(self.unlearners),
            "--trials", str(self.trials), "--storage", self.storage, "--name", self.name, *self.more,
        )  # fmt: skip

    def resume(self, *more: str) -> Driver:
        """Another driver, which goes on with it."""
        own = [name for name in self.unlearners if ":" in name]
        code = ("--code", ",".join(own)) if own else ()
        return self._process("resume", self.name, "--storage", self.storage, *code, *more)

    def _process(self, *arguments: str | Path) -> Driver:
        models = len(self.models())
        driver = Driver(command(*arguments), ENVIRONMENT | self.environment, models)
        self.drivers.append(driver)
        return driver

    def ended(self) -> dict[str, object]:
        """When each trial ended, by trial_id."""
        trials = read_finished_trials(self.storage, self.name)
        return {
            trial_id: rows[-1]["finished_at"]
            for trial_id, rows in trials.items()
            if rows[-1]["role"] == "trial"
        }

    def wait_for(self, process: Driver, count: int) -> None:
        """Block until the sweep exists and `count` trials are stored; fails if it ends before that."""
        config = self.storage / "sweeps" / self.name / "config.json"
        while not config.exists() or len(self.ended()) < count:
            try:
                process.wait(timeout=0.1)
            except subprocess.TimeoutExpired:
                continue
            pytest.fail(f"ended too early: {process.communicate()[0]}")

    def models(self) -> dict[str, int]:
        """When each trained model was stored."""
        return {f.name: f.stat().st_mtime_ns for f in (self.storage / "artifacts").glob("*.pt")}

    def assert_whole(self, *, may_fail: Iterable[str] = (), remade: int = 0) -> None:
        """Rows, studies and models are as if nothing had happened; see tests/whole.py.

        `may_fail` are the methods whose trials the fault is meant to fail, `remade` is how many models
        had to be trained again because they were damaged.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of a torn file
            rows_of(self.storage, self.name)
        trials = files_of(self.storage, self.name)
        check_files(trials, {name: self.trials for name in self.unlearners}, set(may_fail))
        for unlearner in self.unlearners:
            check_study(self.storage, self.name, unlearner, trials)
        trained = Counter(what for driver in self.drivers for what in driver.trained())
        missing = len(self.models()) - self.drivers[0].models_before
        assert trained.total() <= missing + remade, f"trained more than once: {trained}"
        assert remade or set(trained.values()) <= {1}, f"trained more than once: {trained}"
