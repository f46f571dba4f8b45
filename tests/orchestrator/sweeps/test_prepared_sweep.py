"""A sweep with a method that needs more of the training: prepared once before the trials, and its cost shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from program import rows_of

from orchestrator.cluster.resources import Resources
from orchestrator.config import SweepConfig
from orchestrator.sweeps.plan import resolve

NEEDY = SweepConfig(task="digits-class:1", unlearners=("finetune", "r2d", "lotus"), trials=2)


def test_workers_are_told_what_is_trained_beforehand() -> None:
    """A calibration split is cut, not trained: the task has it."""
    settings = resolve(NEEDY, "s", Resources(((2, 0),)), print).worker_settings("0" * 16)
    assert settings.needs == ("checkpoints",)
    assert settings.trained == (*settings.roles, "checkpoints")


def test_a_small_sweep_prepares_once_and_says_so(
    storage: Path, orchestrate: Callable[..., CompletedProcess[str]]
) -> None:
    models = set((storage / "artifacts").glob("*.pt"))
    done = orchestrate(
        "sweep", "--task", "digits-class:1", "--unlearners", "r2d", "--storage", storage,
        "--trials", "2", "--name", "needy",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("training the checkpoints: 20 epochs") == 1
    assert len(set((storage / "artifacts").glob("*.pt")) - models) == 1, "the models are the same"
    rows = rows_of(storage, "needy")
    trials = [row for row in rows if row["role"] == "trial"]
    assert {row["state"] for row in trials} == {"complete"}
    assert len(trials) == 2
    more = 1 + 1 / 9  # of ten classes of about the same size, nine are kept
    assert [row["preparation_cost"] for row in trials] == pytest.approx([more] * 2, rel=0.02)
    assert {row["preparation_cost"] for row in rows if row["role"] != "trial"} == {0.0}
