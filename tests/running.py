"""A sweep as tests start it in the background, wait for it, and look at what it leaves."""

from __future__ import annotations

import subprocess
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from optuna.trial import TrialState
from program import ENVIRONMENT, ROOT, command, rows_of, study_of

from orchestrator.store import finished_trials

NODE = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "include_dashboard": False}
"""A node of a cluster, as ray.cluster_utils takes it: room for one trial."""


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

    def start(self) -> subprocess.Popen[str]:
        """The driver, in a session of its own."""
        return self._process(
            "sweep", "--task", self.task, "--unlearners", ",".join(self.unlearners),
            "--trials", str(self.trials), "--storage", self.storage, "--name", self.name, *self.more,
        )  # fmt: skip

    def resume(self, *more: str) -> subprocess.Popen[str]:
        """Another driver, which goes on with it."""
        return self._process("resume", self.name, "--storage", self.storage, *more)

    def _process(self, *arguments: str | Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command(*arguments), cwd=ROOT, env=ENVIRONMENT | self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def ended(self) -> dict[str, object]:
        """When each trial ended, by trial_id."""
        trials = finished_trials(self.storage, self.name)
        return {
            trial_id: rows[-1]["finished_at"]
            for trial_id, rows in trials.items()
            if rows[-1]["role"] == "trial"
        }

    def wait_for(self, process: subprocess.Popen[str], count: int) -> None:
        """Block until the sweep exists and `count` trials are stored; fails if it ends before that."""
        config = self.storage / "sweeps" / self.name / "config.json"
        while not config.exists() or len(self.ended()) < count:
            try:
                process.wait(timeout=0.1)
            except subprocess.TimeoutExpired:
                continue
            pytest.fail(f"ended too early: {process.stdout.read() if process.stdout else ''}")

    def assert_whole(self) -> None:
        """Every trial of the budget has one final row, no file is torn, no study trial is open."""
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of a torn file
            rows = rows_of(self.storage, self.name)
        final = Counter(r["trial_id"] for r in rows if r["final"])
        assert set(final.values()) == {1}
        assert Counter(r["unlearner"] for r in rows if r["final"] and r["role"] == "trial") == {
            unlearner: self.trials for unlearner in self.unlearners
        }
        for unlearner in self.unlearners:
            trials = study_of(self.storage, self.name, unlearner).trials
            assert {t.state for t in trials} <= {TrialState.COMPLETE, TrialState.FAIL}
            told = {t.user_attrs.get("trial_id") for t in trials if t.state == TrialState.COMPLETE}
            complete = {
                r["trial_id"]
                for r in rows
                if r["unlearner"] == unlearner and r["final"] and r["state"] == "complete"
            }
            assert complete - {"retrained"} <= told
