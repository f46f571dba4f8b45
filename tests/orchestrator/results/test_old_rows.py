"""`status` and the front over rows that an older version wrote, or whose method is gone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from store_rows import trial

from orchestrator.cli.main import main
from orchestrator.config import SweepConfig
from orchestrator.reporting.front_table import print_front
from orchestrator.results.store import SCHEMA, read_results, write_rows
from orchestrator.sweeps.folder import open_sweeps

LOST = "no_such_module:Method"
MEASURED = {
    "validation_accuracy_retained": 0.9,
    "validation_indistinguishability": 0.8,
    "unlearn_seconds": 2.0,
    "relative_cost": 0.2,
}
NULL = dict.fromkeys(("threads", "device", "unlearn_seconds", "params", "dtype"))
RETRAINED = {"role": "retrained", "unlearner": "retrain", "device": "cpu", "threads": 2, "params": "{}"}  # fmt: skip


def stored(folder: Path, unlearner: str, **trials: dict[str, Any]) -> str:
    """A storage root with one sweep of a method, and its rows as they are given, by trial."""
    root = str(folder)
    config = SweepConfig(
        task="digits-class:1", unlearners=(unlearner,), trials=1, name="old", storage=root
    )
    open_sweeps(root).write("old/config.json", config.to_json().encode())
    for trial_id, columns in trials.items():
        known = {**MEASURED, "sweep": "old", "unlearner": unlearner, **columns}
        write_rows(root, "old", trial_id, trial(trial_id, epochs=1, **known))
    return root


def status(root: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What the command says of the sweep."""
    assert main(["status", "old", "--storage", root]) == 0
    return " ".join(capsys.readouterr().out.split())


def test_a_hyper_parameter_that_did_not_exist_then(tmp_path, capsys):
    params = json.dumps({"lr": 0.01, "epochs": 5})
    said = status(stored(tmp_path, "finetune", **{"finetune-0000": {"params": params}}), capsys)
    assert "lr=0.01 epochs=1" in said
    assert "retain_share=-" in said
    assert "old: finished" in said


def test_a_hyper_parameter_that_exists_no_more(tmp_path, capsys):
    params = json.dumps({"lr": 0.01, "warmth": 3})
    said = status(stored(tmp_path, "finetune", **{"finetune-0000": {"params": params}}), capsys)
    assert "warmth=3" in said


def test_rows_that_say_little(tmp_path, capsys):
    """Of the retrained model, whose seconds the hypervolume needs, and of a trial."""
    rows = {
        "finetune-0000": {"params": None},
        "retrained": {**RETRAINED, **NULL},
        "original": {"role": "original", "unlearner": None, **NULL},
    }
    said = status(stored(tmp_path, "finetune", **rows), capsys)
    assert "old: finished" in said
    assert "lr=-" in said
    assert "3 rows under" in said


@pytest.mark.parametrize("absent", ["threads", "unlearn_seconds"])
def test_a_retrain_of_unknown_length(tmp_path, capsys, absent):
    rows = {"finetune-0000": {"params": "{}"}, "retrained": {**RETRAINED, absent: None}}
    assert "old: finished" in status(stored(tmp_path, "finetune", **rows), capsys)


def test_a_method_that_is_gone(tmp_path, capsys):
    rows = {"lost-0000": {"params": json.dumps({"strength": 0.5})}, "retrained": RETRAINED}
    said = status(stored(tmp_path, LOST, **rows), capsys)
    assert "old: finished" in said
    assert "strength=0.5" in said
    assert f"NOTICE: unlearner '{LOST}' is code that the store names" in said


def test_the_front_at_the_end_of_a_sweep(tmp_path, capsys):
    rows = {
        "finetune-0000": {"params": json.dumps({"lr": 0.01})},
        "lost-0000": {"unlearner": LOST, "params": '{"strength": 0.5}', "relative_cost": 0.1,
                      "validation_accuracy_retained": 0.8},
        "unknown-0000": {"unlearner": None, "params": '{"mildness": 3}', "relative_cost": 0.05,
                         "validation_accuracy_retained": 0.7},
    }  # fmt: skip
    root = stored(tmp_path, "finetune", **rows)
    config = SweepConfig(task="digits-class:1", unlearners=("finetune",), name="old", storage=root)
    print_front(config, Console(width=150))
    said = capsys.readouterr().out
    for shown in ("lr=0.01", "strength=0.5", "mildness=3"):
        assert shown in said


def test_a_loss_attack_of_before_is_not_taken_for_indistinguishability(tmp_path):
    """Up to 0.1.0 the columns of that name held what the loss attack says."""
    root = str(tmp_path)
    before = {
        "indistinguishability": 0.9,
        "validation_indistinguishability": 0.8,
        "references": None,
    }
    write_rows(root, "old", "a", trial("a", epochs=1, sweep="old", **before))
    now = {"indistinguishability": 0.3, "loss_attack_indistinguishability": 0.4}
    write_rows(root, "old", "b", trial("b", epochs=1, sweep="old", **now))
    for columns in (SCHEMA.names, ["trial_id", *NAMES]):
        first, second = read_results(root, "old", columns).select(NAMES).to_pylist()
        assert first == dict(zip(NAMES, (None, None, 0.9, 0.8), strict=True))
        assert second == dict(zip(NAMES, (0.3, None, 0.4, None), strict=True))


NAMES = [
    "indistinguishability", "validation_indistinguishability",
    "loss_attack_indistinguishability", "validation_loss_attack_indistinguishability",
]  # fmt: skip
