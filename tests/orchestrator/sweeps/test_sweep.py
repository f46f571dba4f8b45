"""A real sweep on the digits: Ray, Optuna, the store and the command line together."""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter

import pytest
from optuna.trial import TrialState
from program import rows_of, study_of

from orchestrator.worker.identity import SHARED


def test_every_unlearner_gets_an_equal_budget(trained):
    final = [r for r in rows_of(trained, "first") if r["role"] == "trial" and r["final"]]
    assert set(Counter(r["unlearner"] for r in final).items()) == {
        ("finetune", 3), ("finetune-l1", 3), ("gradient-ascent", 3), ("ssd", 3),
    }  # fmt: skip


def test_original_and_retrained_models_are_rows_with_every_metric(trained):
    rows = {r["role"]: r for r in rows_of(trained, "first") if r["role"] != "trial"}
    assert set(rows) == {"original", "retrained"}
    assert (
        rows["retrained"]["test_accuracy_forgotten"] < rows["original"]["test_accuracy_forgotten"]
    )
    assert rows["retrained"]["relative_cost"] == pytest.approx(1.0)
    assert rows["original"]["unlearn_seconds"] == 0.0


def test_an_anytime_method_stores_its_trajectory(trained):
    by_trial: dict[str, list[dict]] = {}
    for row in rows_of(trained, "first"):
        if row["unlearner"] == "finetune":
            by_trial.setdefault(row["trial_id"], []).append(row)
    for rows in by_trial.values():
        assert [r["epoch"] for r in rows] == list(
            range(1, json.loads(rows[0]["params"])["epochs"] + 1)
        )
        assert [r["final"] for r in rows] == [False] * (len(rows) - 1) + [True]
        assert all(a["unlearn_seconds"] < b["unlearn_seconds"] for a, b in itertools.pairwise(rows))


def test_a_method_with_a_schedule_stores_its_last_point_alone(trained):
    rows = [r for r in rows_of(trained, "first") if r["unlearner"] == "finetune-l1"]
    assert all(r["final"] and r["epoch"] == json.loads(r["params"])["epochs"] for r in rows)
    assert len(rows) == 3


def test_rows_say_what_it_takes_to_run_them_again(trained):
    row = next(r for r in rows_of(trained, "first") if r["role"] == "trial")
    for column in (
        "versions",
        "code_version",
        "device",
        "original_key",
        "retrained_key",
        "data",
        "threads",
    ):
        assert row[column], column
    assert len(list((trained / "artifacts").glob(f"{row['original_key']}-*.pt"))) == 1


def test_a_row_is_reproduced_by_the_single_trial_command(trained, orchestrate):
    row = next(
        r for r in rows_of(trained, "first") if r["unlearner"] == "gradient-ascent" and r["final"]
    )
    settings = [f"--set={name}={value}" for name, value in json.loads(row["params"]).items()]
    done = orchestrate(
        "run", "--task", "digits-class:1", "--unlearner", "gradient-ascent", *settings,
        "--trial-seed", str(row["seed"]), "--storage", trained,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    printed = dict(
        line.strip().split(" = ") for line in done.stdout.splitlines() if line.startswith("    ")
    )
    for metric in (
        "test_accuracy",
        "forget_accuracy",
        "mia_class_matched_accuracy",
        "gradient_samples",
    ):
        assert float(printed[metric]) == pytest.approx(row[metric], rel=1e-4), metric


def test_each_trial_is_told_to_the_study_once(trained):
    trials = study_of(trained, "first", "finetune").trials
    assert len({t.user_attrs["trial_id"] for t in trials}) == len(trials) == 3
    assert all(t.state == TrialState.COMPLETE for t in trials)


def test_the_journal_holds_what_the_store_holds(trained):
    stored = {r["trial_id"]: r for r in rows_of(trained, "first") if r["final"]}
    for trial in study_of(trained, "first", "ssd").trials:
        row = stored[trial.user_attrs["trial_id"]]
        assert trial.values == [
            row["validation_accuracy_retained"], row["validation_indistinguishability"], row["relative_cost"],
        ]  # fmt: skip


def test_the_end_of_a_sweep_shows_the_front_and_where_the_rows_are(trained):
    log = (trained / "first.log").read_text()
    assert "Pareto front of first" in log
    assert "estimated time" in log
    assert str(trained / "rows" / "first") in log.replace("\n", "")


def test_a_second_sweep_trains_nothing(storage, orchestrate):
    before = {f.name: f.stat().st_mtime_ns for f in (storage / "artifacts").glob("*.pt")}
    done = orchestrate(
        "sweep",
        "--task",
        "digits-class:1",
        "--unlearners",
        "ssd",
        "--trials",
        "1",
        "--storage",
        storage,
    )
    assert done.returncode == 0, done.stderr
    assert "training the" not in done.stdout
    assert {f.name: f.stat().st_mtime_ns for f in (storage / "artifacts").glob("*.pt")} == before


BROKEN = """
from dataclasses import dataclass
from typing import Annotated
import os, signal, threading
from tasks.search_space import Float
from tasks.unlearners.base import Unlearner

@dataclass(frozen=True)
class Explodes(Unlearner):
    strength: Annotated[float, Float(0.0, 1.0)] = 0.5
    def unlearn(self, model, retain, forget, rng):
        raise RuntimeError("it went up in smoke")
        yield

@dataclass(frozen=True)
class Diverges(Unlearner):
    strength: Annotated[float, Float(0.0, 1.0)] = 0.5
    def unlearn(self, model, retain, forget, rng):
        for p in model.parameters():
            p.data.fill_(float("nan"))
        yield

@dataclass(frozen=True)
class Dies(Unlearner):
    strength: Annotated[float, Float(0.0, 1.0)] = 0.5
    def unlearn(self, model, retain, forget, rng):
        os.kill(os.getpid(), signal.SIGKILL)
        yield

@dataclass(frozen=True)
class Hangs(Unlearner):
    strength: Annotated[float, Float(0.0, 1.0)] = 0.5
    def unlearn(self, model, retain, forget, rng):
        threading.Event().wait()
        yield
"""


def test_broken_trials_become_failed_rows_and_the_sweep_goes_on(storage, tmp_path, orchestrate):
    (tmp_path / "broken_methods.py").write_text(BROKEN)
    methods = "broken_methods:Explodes,broken_methods:Diverges,broken_methods:Dies,broken_methods:Hangs,ssd"
    done = orchestrate(
        "sweep", "--task", "digits-class:1", "--unlearners", methods, "--trials", "1",
        "--storage", storage, "--name", "broken", "--trial-seconds", "8", PYTHONPATH=str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    trials = [r for r in rows_of(storage, "broken") if r["role"] == "trial"]
    errors = {r["unlearner"].split(":")[-1]: r["error"] for r in trials if r["state"] == "failed"}
    assert "it went up in smoke" in errors["Explodes"]
    assert "not finite" in errors["Diverges"]
    assert "died" in errors["Dies"]
    assert errors["Hangs"] == "ran longer than the limit of 8 s"
    ended = Counter((r["unlearner"].split(":")[-1], r["state"]) for r in trials if r["final"])
    failed = ("Explodes", "Diverges", "Dies", "Hangs")
    assert ended == {**{(name, "failed"): 1 for name in failed}, ("ssd", "complete"): 1}
    assert all(r["test_accuracy"] is None for r in trials if r["state"] == "failed")
    told = {*SHARED, "versions", "code_version"} - {"recipe"}  # that is the family's own
    for row in trials:
        assert all(row[name] is not None for name in told), row["error"]
    for name in ("Explodes", "Dies", "Hangs"):
        states = {t.state for t in study_of(storage, "broken", f"broken_methods:{name}").trials}
        assert states == {TrialState.FAIL}


def test_seconds_are_finite_and_costs_are_shares(trained):
    for row in rows_of(trained, "first"):
        assert math.isfinite(row["unlearn_seconds"])
        assert 0 <= row["relative_cost"] <= 1.01
