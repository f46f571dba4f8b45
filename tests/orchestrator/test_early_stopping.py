"""Trials that a utility floor ends: what is kept of them, who is told, and what it leaves alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import FrozenTrial, TrialState
from program import rows_of, study_of

from orchestrator.worker.early_stopping import Limits

ACCURACY = "validation_accuracy_retained"
COLLAPSING = """
from dataclasses import dataclass
from typing import Annotated
import torch
from tasks.search_space import Float, Int
from tasks.unlearners.base import Unlearner

@dataclass(frozen=True)
class Collapses(Unlearner):
    \"\"\"Loses everything after its second epoch.\"\"\"
    strength: Annotated[float, Float(0.0, 1.0)] = 0.5
    epochs: Annotated[int, Int(1, 9)] = 9
    def unlearn(self, model, retain, forget, rng):
        for epoch in range(self.epochs):
            if epoch == 1:
                with torch.no_grad():
                    for p in model.parameters():
                        p.zero_()
            yield
"""
METHOD = "collapsing_method:Collapses"


@pytest.mark.parametrize(
    ("accuracy", "epoch", "params", "ends"),
    [
        (0.39, 1, {"epochs": 3}, True),
        (0.40, 1, {"epochs": 3}, False),
        (0.39, 3, {"epochs": 3}, False),  # it has ended by itself
        (None, 1, {"epochs": 3}, False),
    ],
)
def test_a_trial_below_the_floor_ends_if_anything_of_it_is_left(accuracy, epoch, params, ends):
    limits = Limits(floor=0.4, cost=1.0)
    assert bool(limits.why_ended({ACCURACY: accuracy}, 0.1, epoch, params)) is ends


@pytest.mark.parametrize(
    ("cost", "epoch", "ends"),
    [(0.99, 1, False), (1.0, 1, True), (1.0, 3, False)],  # the last has ended by itself
)
def test_a_trial_that_costs_a_retrain_ends_if_anything_of_it_is_left(cost, epoch, ends):
    limits = Limits(floor=0.0, cost=1.0)
    assert bool(limits.why_ended({ACCURACY: 0.9}, cost, epoch, {"epochs": 3})) is ends


def test_a_trial_that_has_cost_its_share_of_a_retrain_is_ended(storage, orchestrate):
    done = orchestrate(
        "sweep", "--task", "digits-class:1", "--unlearners", "finetune", "--trials", "6",
        "--sampler", "random", "--name", "dear", "--cost-limit", ".1", "--storage", storage,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    kept = trajectories(storage, "dear")
    ended = {name for name, rows in kept.items() if rows[-1]["state"] == "pruned"}
    assert ended
    for name, rows in kept.items():
        epochs = json.loads(rows[0]["params"])["epochs"]
        assert all(r["relative_cost"] < 0.1 for r in rows[:-1])
        assert (name in ended) == (rows[-1]["relative_cost"] >= 0.1 and len(rows) < epochs)
        assert (name in ended) == (len(rows) < epochs)
    check_study(study_of(storage, "dear", "finetune").trials, kept, ended)


def test_a_floor_ends_what_collapsed_and_leaves_the_rest_as_it_is(storage, tmp_path, orchestrate):
    (tmp_path / "collapsing_method.py").write_text(COLLAPSING)
    done = orchestrate(
        "sweep", "--task", "digits-class:1", "--unlearners", f"{METHOD},finetune", "--trials", "4",
        "--sampler", "random", "--name", "floored", "--utility-floor", "0.5",
        "--storage", storage, PYTHONPATH=str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    kept = trajectories(storage, "floored")
    ended = {name for name, rows in kept.items() if rows[-1]["state"] == "pruned"}
    assert any(name.startswith(METHOD) for name in ended)
    for name, rows in kept.items():
        assert [r["epoch"] for r in rows] == list(range(1, len(rows) + 1))
        assert [r["final"] for r in rows] == [False] * (len(rows) - 1) + [True]
        assert {r["state"] for r in rows} == {"pruned" if name in ended else "complete"}
        assert all(r["test_accuracy"] is not None for r in rows)
        epochs = json.loads(rows[0]["params"])["epochs"]
        assert (name in ended) == (len(rows) < epochs)
        assert len(rows) == min(2, epochs) or not name.startswith(METHOD)
    assert all("fell below the floor" in r["error"] for name in ended for r in kept[name])
    assert f"{len(ended)} pruned" in done.stdout
    for unlearner in (METHOD, "finetune"):
        check_study(study_of(storage, "floored", unlearner).trials, kept, ended)


def trajectories(storage: Path, sweep: str) -> dict[str, list[dict[str, Any]]]:
    """The rows of each trial, in order of epoch."""
    trials: dict[str, list[dict[str, Any]]] = {}
    for row in rows_of(storage, sweep):
        if row["role"] == "trial":
            trials.setdefault(row["trial_id"], []).append(row)
    return trials


def check_study(
    trials: list[FrozenTrial], kept: dict[str, list[dict[str, Any]]], ended: set[str]
) -> None:
    """A study holds what the store holds: ended trials as PRUNED, and each of their points."""
    proposed = {t.user_attrs["trial_id"]: t for t in trials if "trial_id" in t.user_attrs}
    pruned = {name for name, t in proposed.items() if t.state == TrialState.PRUNED}
    assert pruned == ended & proposed.keys()
    for name in proposed:
        points = [t for t in trials if t.user_attrs.get("trajectory_of") == name]
        told = kept[name] if name in ended else kept[name][:-1]
        assert [t.params["epochs"] for t in points] == [r["epoch"] for r in told]
        assert [t.values[0] for t in points] == [r[ACCURACY] for r in told]
