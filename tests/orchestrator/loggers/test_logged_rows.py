"""What loggers write of the real rows of a sweep on the digits, read back by the loggers' own readers."""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from program import ENVIRONMENT, ROOT, resume, rows_of, trials_of

from orchestrator.loggers.base import read_numbers

Rows = list[dict[str, Any]]


def finite(row: dict[str, Any]) -> dict[str, float]:
    """The metrics and costs of a row, as they are logged."""
    numbers = read_numbers(row)
    assert numbers["relative_cost"] == row["relative_cost"]
    return numbers


def by_epoch(rows: Rows, name: str) -> dict[int, float]:
    """A metric at each point at which it was measured."""
    return {row["epoch"]: row[name] for row in rows if row[name] is not None}


def test_csv_has_a_line_for_each_row_and_a_column_for_each_hyperparameter(ended, tmp_path):
    (file := tmp_path / "all.csv").write_text("sweep,trial_id\nother,t-1\n")
    for _ in range(2):  # a resume logs no trial twice
        assert not [text for text in resume(ended, f"csv:{file}") if "NOTICE" in text]
    with file.open(newline="") as content:
        lines = list(csv.DictReader(content))
    assert [line["trial_id"] for line in lines if line["sweep"] == "other"] == ["t-1"]
    mine = {(line["trial_id"], int(line["epoch"])): line for line in lines if line["epoch"]}
    rows = rows_of(ended, "first")
    assert len(lines) == len(rows) + 1
    for row in rows:
        line = mine[row["trial_id"], row["epoch"]]
        for name, value in finite(row).items():
            assert float(line[name]) == value
        for name, value in json.loads(row["params"] or "{}").items():
            assert line[f"params.{name}"] == str(value)
    assert sorted(f.name for f in tmp_path.glob("*csv*")) == ["all.csv"]


def test_tensorboard_has_a_run_for_each_trial(ended, tmp_path):
    pytest.importorskip("tensorboard", reason="needs tensorboard, of the extra of that name")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import metadata

    for _ in range(2):
        assert not [t for t in resume(ended, f"tensorboard:{tmp_path}/tb") if "NOTICE" in t]
    trials = trials_of(ended)
    assert {f.name for f in (tmp_path / "tb" / "first").iterdir()} == set(trials)
    for trial_id, rows in trials.items():
        (run := EventAccumulator(str(tmp_path / "tb" / "first" / trial_id))).Reload()
        for name in finite(rows[-1]):
            shown = {event.step: event.value for event in run.Scalars(name)}
            assert shown == pytest.approx(by_epoch(rows, name), rel=1e-6)
        content = run.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
        logged = metadata.parse_session_start_info_plugin_data(content).hparams
        for name, value in json.loads(rows[-1]["params"] or "{}").items():
            kind = logged[name].WhichOneof("kind")
            assert getattr(logged[name], kind) == value


def test_mlflow_has_a_run_for_each_trial(ended, tmp_path, monkeypatch):
    pytest.importorskip("mlflow", reason="needs mlflow, of the extra of that name")
    # Its database takes seconds to make; so its old folder of files, which is made at once.
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    from mlflow import MlflowClient

    uri = f"file:{tmp_path}/mlruns"
    assert not [text for text in resume(ended, f"mlflow:{uri}") if "NOTICE" in text]
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("first").experiment_id
    cut_short = client.create_run(experiment, tags={"trial_id": "original"}).info.run_id
    assert not [text for text in resume(ended, f"mlflow:{uri}") if "NOTICE" in text]
    runs = {run.data.tags["trial_id"]: run for run in client.search_runs([experiment])}
    trials = trials_of(ended)
    assert runs.keys() == trials.keys()
    assert len(client.search_runs([experiment])) == len(trials)
    assert cut_short not in {run.info.run_id for run in runs.values()}
    for trial_id, rows in trials.items():
        run = runs[trial_id]
        params = json.loads(rows[-1]["params"] or "{}")
        assert run.data.params == {name: str(value) for name, value in params.items()}
        assert run.data.metrics == pytest.approx(finite(rows[-1]))
    anytime = next(rows for rows in trials.values() if len(rows) > 1)
    history = client.get_metric_history(
        runs[anytime[0]["trial_id"]].info.run_id, "test_accuracy_retained"
    )
    assert {m.step: m.value for m in history} == by_epoch(anytime, "test_accuracy_retained")


def read_offline_run(file: Path) -> list[Any]:
    """The records of a .wandb file: W&B's own messages in the log format of LevelDB (blocks of 32 KiB)."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, place, parts, found = file.read_bytes(), 7, b"", []
    while place + 7 <= len(content):
        if (left := 32768 - place % 32768) < 7:
            place += left
            continue
        size, kind = int.from_bytes(content[place + 4 : place + 6], "little"), content[place + 6]
        parts += content[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):  # a whole record, or the last part of one
            found.append(Record.FromString(parts))
            parts = b""
    return found


def items_of(updates: Any) -> dict[str, Any]:
    return {item.key or item.nested_key[0]: json.loads(item.value_json) for item in updates}


FEW_TRIALS = """
import sys
from orchestrator.loggers import open_loggers
from orchestrator.reporting.logged import LoggedSweep
from orchestrator.reporting.progress import Progress
from orchestrator.results.objectives import OBJECTIVES

progress = Progress(OBJECTIVES["pareto"], 3)
for _ in range(2):  # the second driver logs no trial twice
    logged = LoggedSweep(open_loggers(["wandb:mine"]), sys.argv[1], "first", print)
    logged.started(progress)
    logged.ended(progress)
"""


def test_wandb_offline_has_a_run_for_each_trial(ended, tmp_path):
    """In a process of its own: wandb starts a service that lives as long as the process. A run takes half a second."""
    pytest.importorskip("wandb", reason="needs wandb, of the extra of that name")
    kept = ["original", next(t for t, rows in trials_of(ended).items() if len(rows) > 1)]
    keys = {rows[-1]["trial_key"] for t, rows in trials_of(ended).items() if t in kept}
    for file in (ended / "rows" / "first").iterdir():
        if not any(key in file.name for key in keys):
            file.unlink()
    where = {"WANDB_MODE": "offline", "WANDB_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", FEW_TRIALS, ended],
        cwd=ROOT, env=ENVIRONMENT | where, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == "", "a notice"
    assert trials_of(ended).keys() == set(kept)
    assert "wandb:" not in done.stdout + done.stderr
    runs = {}
    for file in (tmp_path / "wandb").glob("offline-run-*/*.wandb"):
        records = read_offline_run(file)
        (run,) = [r.run for r in records if r.WhichOneof("record_type") == "run"]
        assert (run.project, run.run_group) == ("mine", "first")
        assert run.display_name not in runs, "logged twice"
        runs[run.display_name] = (
            items_of(run.config.update),
            [items_of(r.history.item) for r in records if r.WhichOneof("record_type") == "history"],
        )
    trials = trials_of(ended)
    assert runs.keys() == trials.keys()
    for trial_id, (config, history) in runs.items():
        assert config.items() >= json.loads(trials[trial_id][-1]["params"] or "{}").items()
        assert len(history) == len(trials[trial_id])
        for shown, row in zip(history, trials[trial_id], strict=True):
            assert shown["_step"] == row["epoch"]
            assert shown.items() >= finite(row).items()


def test_the_logger_of_the_docs_logs_each_point(ended, tmp_path, monkeypatch):
    page = (ROOT / "docs" / "loggers.md").read_text()
    (tmp_path / "my_loggers.py").write_text(page.partition("```python\n")[2].partition("```")[0])
    monkeypatch.syspath_prepend(str(tmp_path))
    said = resume(ended, f"my_loggers:Lines:{tmp_path}/points.txt")
    assert not [text for text in said if "NOTICE" in text]
    lines = (tmp_path / "points.txt").read_text().splitlines()
    assert len(lines) == len(rows_of(ended, "first"))


def test_loggers_leave_out_what_is_no_number(ended):
    row = trials_of(ended)["original"][0]
    assert all(math.isfinite(value) for value in read_numbers(row).values())
    assert "test_accuracy" not in read_numbers(row | {"test_accuracy": math.inf})
