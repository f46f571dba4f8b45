"""`orchestrator export`: the weights of a stored trial as a file that needs nothing but torch."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
from program import rows_of
from safetensors.torch import load_file

from orchestrator.cli.main import main
from orchestrator.config import SweepConfig
from orchestrator.config.spelling import spell_program
from orchestrator.reporting.recommended import list_recommendation
from orchestrator.results.objectives import objective_named
from orchestrator.results.recommendation import recommend_point
from orchestrator.results.store import write_rows
from tasks.evaluation.outputs import outputs
from tasks.task import Task
from tasks.workbench import Workbench

Row = dict[str, Any]


@pytest.fixture(scope="module")
def row(trained: Path) -> Row:
    """A point on the way to a trial's end."""
    rows = rows_of(trained, "first")
    return next(r for r in rows if r["unlearner"] == "finetune" and r["role"] == "trial")


def export(*arguments: str | Path) -> int:
    return main(["export", *map(str, arguments)])


def last_of(trained: Path, row: Row) -> Row:
    """The last point of its trial."""
    return next(
        r for r in rows_of(trained, "first") if r["trial_id"] == row["trial_id"] and r["final"]
    )


def test_the_weights_are_those_that_the_row_measured(
    trained: Path, row: Row, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, last = tmp_path / "model.safetensors", last_of(trained, row)
    assert export("first", row["trial_id"], "--output", output, "--storage", trained) == 0
    assert "largest difference of a metric from its row: 0" in capsys.readouterr().out
    bench = Workbench(
        Task.named("digits-class:1"),
        Task.named("digits-class:1").load(),
        tmp_path,
        torch.device("cpu"),
    )
    model = bench.fresh_model()
    model.load_state_dict(load_file(output))
    assert outputs(model, bench.forget).correct.mean() == pytest.approx(last["forget_accuracy"])
    card = json.loads(output.with_suffix(".json").read_text())
    assert card["trial_key"] == last["trial_key"]
    assert card["params"] == json.loads(last["params"])
    assert card["metrics"]["test_accuracy_retained"] == last["test_accuracy_retained"]
    assert len(card["classes"]) == 10
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == [
        "model.json",
        "model.safetensors",
    ]


def test_a_row_that_the_trial_does_not_give_again_is_an_error_and_writes_nothing(
    trained: Path, row: Row, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    altered = [
        {**r, "sweep": "altered", "forget_accuracy": 0.123}
        for r in rows_of(trained, "first")
        if r["trial_id"] == row["trial_id"]
    ]
    write_rows(str(trained), "altered", altered[0]["trial_key"], altered)
    (trained / "sweeps" / "altered").mkdir(exist_ok=True)
    config = SweepConfig(name="altered", task="digits-class:1", storage=str(trained))
    (trained / "sweeps" / "altered" / "config.json").write_text(config.to_json())
    output = tmp_path / "model.safetensors"
    assert export("altered", row["trial_id"], "--output", output, "--storage", trained) == 1
    said = capsys.readouterr().err
    assert "forget_accuracy = " in said
    assert "0.1230 in its row" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("first", "finetune-0", "--output", "m.safetensors"), "unknown trial 'finetune-0'"),
        (("first", "--output", "m.pt"), "must end in .safetensors"),
        (("first", "--output", "no/such/folder/m.safetensors"), "is not a folder"),
        (("no-such", "--output", "m.safetensors"), "first"),
    ],
)
def test_bad_input_is_one_line_before_anything_runs(
    trained: Path, arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert export(*arguments, "--storage", trained) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_a_failed_trial_has_no_weights_and_says_why(
    trained: Path, row: Row, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = {**row, "sweep": "failing", "state": "failed", "error": "Diverged: of nothing"}
    other = {**row, "sweep": "failing", "trial_id": "finetune-1", "trial_key": "finetune+1"}
    config = SweepConfig(name="failing", task="digits-class:1", storage=str(trained))
    (trained / "sweeps" / "failing").mkdir(exist_ok=True)
    (trained / "sweeps" / "failing" / "config.json").write_text(config.to_json())
    write_rows(str(trained), "failing", failed["trial_key"], [failed])
    asked = ["failing", "--storage", trained, "--output", "m.safetensors"]
    assert export(*asked) == export(*asked, failed["trial_id"]) == 2
    assert capsys.readouterr().err.count("no trial of sweep 'failing' has weights") == 2
    write_rows(str(trained), "failing", other["trial_key"], [other])
    assert export(*asked, failed["trial_id"]) == 2
    said = capsys.readouterr().err
    assert f"trial {failed['trial_id']} failed, it has no weights: Diverged: of nothing" in said


def test_the_command_of_the_recommended_point_gives_its_row_again(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = rows_of(trained, "first")
    config = SweepConfig(name="first", task="digits-class:1", storage=str(trained))
    best = recommend_point(
        rows, objective_named("validation_accuracy_retained:max,relative_cost:min")
    )
    best = best or max((r for r in rows if r["role"] == "trial"), key=lambda r: r["epoch"])
    lines = list(list_recommendation(config, best))
    command = shlex.split(lines[1].partition(":")[2])
    program = shlex.split(spell_program())
    assert command[: len(program) + 1] == [*program, "run"]
    assert main(command[len(program) :]) == 0
    last = capsys.readouterr().out.rpartition("epoch ")[2]
    printed = dict(line.strip().split(" = ") for line in last.splitlines()[1:])
    assert last.startswith(f"{best['epoch']}:")
    for name in ("test_accuracy_retained", "indistinguishability", "relative_cost"):
        assert float(printed[name]) == pytest.approx(best[name], rel=1e-4), name
