"""Short trials share a call to a worker; a trial that kills its worker takes none of the others with it."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import mortal
import pytest
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


def lr_of(row: dict[str, Any]) -> float:
    """Return the hyper-parameter of its trial."""
    lr: float = json.loads(row["params"])["lr"]
    return lr


@pytest.mark.parametrize(
    ("variables", "seconds", "times"),
    [
        # Once in a call with others, and then as often as any trial whose worker dies.
        pytest.param({}, None, 1 + MAX_DEATHS + 1, id="dies"),
        # It writes its row before it takes its worker with it.
        pytest.param({mortal.HANGS: "1"}, 3.0, 1, id="hangs", marks=pytest.mark.slow),
    ],
)
def test_a_trial_that_takes_its_worker_with_it_fails_alone(
    storage, tmp_path, monkeypatch, variables, seconds, times
):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    (runs := tmp_path / "runs").touch()
    monkeypatch.setenv(mortal.RUNS, str(runs))
    # On a busy machine too the deadly trial shares its call.
    monkeypatch.setattr("orchestrator.execution.searcher.CALL_SECONDS", 600.0)
    monkeypatch.setenv("PYTHONPATH", str(Path(mortal.__file__).parent), prepend=":")
    config = SweepConfig(
        task="digits-class:1", name="mortal", storage=str(storage), unlearners=(METHOD,), trials=TRIALS,
        sampler="random", seed=SEED, max_concurrent=WORKERS, trial_seconds=seconds,
    )  # fmt: skip
    run_sweep(config, Terminal(Console(file=io.StringIO())))
    trials = files_of(storage, config.name)
    check_files(trials, {METHOD: TRIALS}, {METHOD})
    check_study(storage, config.name, METHOD, trials)
    final = [row for row in rows_of(storage, config.name) if row["unlearner"] == METHOD]
    ran = Counter(map(float, runs.read_text().split()))
    assert len(final) == len(ran) == TRIALS
    for row in final:
        deadly = lr_of(row) > mortal.DEADLY
        assert row["state"] == ("failed" if deadly else "complete")
        assert ran[lr_of(row)] == (times if deadly else 1)
    assert any(lr > mortal.DEADLY for lr in ran)
