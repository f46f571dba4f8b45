"""Presets and the database of a user's own."""

from __future__ import annotations

from pathlib import Path

import optuna
from optuna.trial import TrialState
from program import rows_of

from orchestrator.cli.main import main
from orchestrator.config import SweepConfig


def test_the_preset_of_the_deck_fills_in_its_experiment():
    config = SweepConfig(preset="cs726").validate()
    assert config.task == "cifar10-class:automobile"
    assert config.unlearners == ("finetune", "finetune-l2sp", "gradient-ascent", "ssd")
    assert config.trials == 6
    assert config.objective == "pareto"


def test_what_is_given_goes_before_the_preset():
    given = SweepConfig(preset="cs726", task="digits-class:1", trials=2, unlearners=("ssd",))
    config = given.validate()
    assert (config.task, config.trials, config.unlearners) == ("digits-class:1", 2, ("ssd",))


def test_a_database_with_studies_of_another_sweep_of_that_name_is_refused(tmp_path, capsys):
    """To a sweep under another storage root all their trials would be lost, and run again."""
    url = f"sqlite:///{tmp_path}/studies.db"
    study = optuna.create_study(study_name="mine/ssd", storage=url, directions=["maximize"] * 3)
    study.add_trial(optuna.create_trial(values=[0.0, 0.0, 0.0]))
    arguments = ("--task", "digits-class:1", "--name", "mine", "--storage", f"{tmp_path}/other")
    assert main(["sweep", *arguments, "--optuna-storage", url]) == 2
    assert "another sweep 'mine'" in capsys.readouterr().err
    assert len(optuna.load_study(study_name="mine/ssd", storage=url).trials) == 1


def test_the_studies_may_live_in_a_database(storage: Path, tmp_path: Path, orchestrate):
    url = f"sqlite:///{tmp_path}/studies.db"
    done = orchestrate(
        "sweep", "--task", "digits-class:1", "--unlearners", "gradient-ascent", "--trials", "2",
        "--name", "db", "--storage", storage, "--optuna-storage", url,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (storage / "sweeps" / "db" / "studies.journal").exists()
    trials = optuna.load_study(study_name="db/gradient-ascent", storage=url).trials
    own = {t.user_attrs["trial_id"]: t for t in trials if "trial_id" in t.user_attrs}
    assert {t.state for t in own.values()} == {TrialState.COMPLETE}
    final = {
        r["trial_id"]: r for r in rows_of(storage, "db") if r["final"] and r["role"] == "trial"
    }
    assert own.keys() == final.keys()
    for trial_id, trial in own.items():
        assert trial.values[0] == final[trial_id]["validation_accuracy_retained"]
