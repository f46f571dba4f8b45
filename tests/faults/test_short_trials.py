"""Short trials share a call to a worker; a trial that kills its worker takes none of the others with it."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import mortal
from program import rows_of
from rich.console import Console
from whole import check_files, check_study, files_of

from orchestrator.config import SweepConfig
from orchestrator.execution.worker_deaths import MAX_DEATHS
from orchestrator.reporting.terminal import Terminal
from orchestrator.sweeps.run import run_sweep

METHOD = "mortal:Mortal"
TRIALS = 24
SEED = 6
"""Of its draws the seventh is deadly, and no other: a trial that shares its call."""
WORKERS = 2


class Steps(Terminal):
    """Notes how many trials had ended after each step of the search."""

    def __init__(self) -> None:
        super().__init__(Console(file=io.StringIO()))
        self.done = [0]

    def stepped(self, progress: Any) -> None:
        """Take a note."""
        super().stepped(progress)
        self.done.append(progress.done)


def lr_of(row: dict[str, Any]) -> float:
    """Return the hyper-parameter of its trial."""
    lr: float = json.loads(row["params"])["lr"]
    return lr


def test_a_trial_that_kills_its_worker_fails_alone(storage, tmp_path, monkeypatch):
    (runs := tmp_path / "runs").touch()
    monkeypatch.setenv(mortal.RUNS, str(runs))
    monkeypatch.setenv("PYTHONPATH", str(Path(mortal.__file__).parent), prepend=":")
    config = SweepConfig(
        task="digits-class:1", name="mortal", storage=str(storage), unlearners=(METHOD,), trials=TRIALS,
        sampler="random", seed=SEED, max_concurrent=WORKERS,
    )  # fmt: skip
    steps = Steps()
    run_sweep(config, steps)
    trials = files_of(storage, config.name)
    check_files(trials, {METHOD: TRIALS}, {METHOD})
    check_study(storage, config.name, METHOD, trials)
    final = [row for row in rows_of(storage, config.name) if row["unlearner"] == METHOD]
    ran = Counter(map(float, runs.read_text().split()))
    assert len(final) == len(ran) == TRIALS
    for row in final:
        deadly = lr_of(row) > mortal.DEADLY
        assert row["state"] == ("failed" if deadly else "complete")
        assert ran[lr_of(row)] == (MAX_DEATHS + 1 if deadly else 1), "rows are stored one by one"
    assert max(ran.values()) > 1
    ended = (after - before for before, after in zip(steps.done, steps.done[1:], strict=False))
    assert max(ended) > WORKERS, "several trials were to share a call"
