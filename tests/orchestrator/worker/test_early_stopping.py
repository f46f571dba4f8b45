"""Trials that the cost limit ends: what is kept of them, who is told, and what it leaves alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import FrozenTrial, TrialState
from program import rows_of, study_of

from orchestrator.worker.early_stopping import Limits

ACCURACY = "validation_accuracy_retained"


@pytest.mark.parametrize(
    ("cost", "epoch", "ends"),
    [(0.99, 1, False), (1.0, 1, True), (1.0, 3, False)],  # the last has ended by itself
)
def test_a_trial_that_costs_a_retrain_ends_if_anything_of_it_is_left(cost, epoch, ends):
    assert bool(Limits(cost=1.0).why_ended(cost, epoch, {"epochs": 3})) is ends


def test_a_trial_that_has_cost_its_share_of_a_retrain_is_ended(storage, orchestrate):
    done = orchestrate(
        "sweep", "--task", "digits-class:1", "--unlearners", "finetune", "--trials", "6",
        "--sampler", "random", "--name", "dear", "--cost-limit", ".1", "--storage", storage,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    kept = trajectories(storage, "dear")
    ended = {name for name, rows in kept.items() if rows[-1]["state"] == "pruned"}
    assert ended
    assert f"{len(ended)} pruned" in done.stdout
    assert all("reached the limit of 0.1" in r["error"] for name in ended for r in kept[name])
    for name, rows in kept.items():
        assert [r["epoch"] for r in rows] == list(range(1, len(rows) + 1))
        assert [r["final"] for r in rows] == [False] * (len(rows) - 1) + [True]
        assert {r["state"] for r in rows} == {"pruned" if name in ended else "complete"}
        assert all(r["validation_accuracy"] is not None for r in rows)
        assert rows[-1]["measured"] == "all"
        assert rows[-1]["test_accuracy"] is not None
        epochs = json.loads(rows[0]["params"])["epochs"]
        assert all(r["relative_cost"] < 0.1 for r in rows[:-1])
        assert (name in ended) == (rows[-1]["relative_cost"] >= 0.1 and len(rows) < epochs)
        assert (name in ended) == (len(rows) < epochs)
    check_study(study_of(storage, "dear", "finetune").trials, kept, ended)


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
    """A study holds what the store holds: ended trials as PRUNED, and the last point of each."""
    proposed = {t.user_attrs["trial_id"]: t for t in trials if "trial_id" in t.user_attrs}
    pruned = {name for name, t in proposed.items() if t.state == TrialState.PRUNED}
    assert pruned == ended & proposed.keys()
    for name in proposed:
        points = [t for t in trials if t.user_attrs.get("end_of") == name]
        told = kept[name][-1:] if name in ended else []
        assert [t.params["epochs"] for t in points] == [r["epoch"] for r in told]
        assert [t.values[0] for t in points] == [r[ACCURACY] for r in told]
