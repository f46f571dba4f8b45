"""`--deterministic`: two sweeps with the same seed have the same rows, but for what a clock says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from program import rows_of
from store_sweeps import contents, make_sweep
from workers import answer, settings

import orchestrator
from orchestrator.cli.main import main
from orchestrator.config import SweepConfig
from orchestrator.execution.searcher import StudySearch
from orchestrator.results.columns import COLUMNS
from orchestrator.results.objectives import OBJECTIVES
from orchestrator.results.store import read_finished_trials
from orchestrator.search.study import UnlearnerStudy
from orchestrator.sweeps.folder import read_config, store_config
from orchestrator.sweeps.stored.adopted import adopt_stored
from orchestrator.worker.early_stopping import Limits
from tasks.storage.roots import open_root

CLOCKS = {name for name, column in COLUMNS.items() if column.is_clock}
METHODS = ("finetune", "fisher-forgetting", "ssd")
"""The second works outside of the forward pass, which a clock would charge for."""
PARETO = OBJECTIVES["pareto"]


def compare(rows: list[dict[str, Any]]) -> dict[tuple[str, int], dict[str, Any]]:
    """The rows by trial and epoch, without what a clock says and what names the sweep."""
    return {
        (row["trial_id"], row["epoch"]): {
            name: value for name, value in row.items() if name not in CLOCKS | {"sweep"}
        }
        for row in rows
    }


def search_here(storage: Path, trials: int) -> list[dict[str, Any]]:
    """Search in this process as a driver and its one worker do; returns the rows of its trials."""
    told = settings(storage, objective_columns=PARETO.columns, deterministic=True)
    finished = read_finished_trials(storage, "s").values()
    studies = [UnlearnerStudy(name, PARETO, "tpe", 0, finished) for name in METHODS]
    left = {name: trials - len(finished) // len(METHODS) for name in METHODS}
    search = StudySearch(studies, left, "key", lambda trial: pytest.fail("a worker died"))
    while (trial := search.suggest("one")) != StudySearch.FINISHED:
        search.on_trial_complete("one", answer(told, [trial], Limits(1.0)))
        search.check()
    return rows_of(storage, "s")


def test_a_resumed_search_has_the_trials_of_one_that_was_not(tmp_path):
    """TPE learns from ten trials on."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    rows = search_here(whole, 13)
    shutil.copytree(whole / "artifacts", parts / "artifacts")
    search_here(parts, 11)
    assert len(rows) > 13 * len(METHODS)
    assert compare(search_here(parts, 13)) == compare(rows)


class Order(orchestrator.Observer):
    """Notes the order in which trials end."""

    def __init__(self) -> None:
        self.accuracies: list[float] = []

    def trial_finished(self, rows, progress):
        """See Observer."""
        self.accuracies.append(rows[-1]["validation_accuracy_retained"])


@pytest.mark.slow
def test_two_sweeps_with_the_same_seed_have_the_same_rows(storage, tmp_path):
    """The second has fewer trials at first, and is resumed; its log has those of both drivers."""
    other = Path(shutil.copytree(storage, tmp_path / "other"))
    settings = {"task": "digits-class:1", "unlearners": METHODS, "references": 2}
    settings["deterministic"] = True
    first, second, log = Order(), Order(), f"csv:{tmp_path}/rows.csv"
    orchestrator.sweep(**settings, trials=3, name="a", storage=storage, observers=[first])
    orchestrator.sweep(**settings, trials=2, name="b", storage=other, observers=[second], log=log)
    assert len((tmp_path / "rows.csv").read_text().splitlines()) == len(rows_of(other, "b")) + 1
    orchestrator.resume("b", trials=3, storage=other, observers=[second], log=[log])
    rows = compare(rows_of(storage, "a"))
    assert compare(rows_of(other, "b")) == rows
    assert len(first.accuracies) == 9
    assert second.accuracies == first.accuracies
    assert len({trial_id for trial_id, _ in rows}) == 9 + 3
    assert read_config("b", str(other)).deterministic
    assert len((tmp_path / "rows.csv").read_text().splitlines()) == len(rows) + 1


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--max-concurrent", "2"], "one trial at a time, not 2"),
        (["--trial-seconds", "60"], "lets a clock decide"),
        (["--objective", "validation_accuracy:max,unlearn_seconds:min"], "reads a clock (unlearn_seconds)"),
        (["--require", "run_time_efficiency>=2"], "reads a clock (run_time_efficiency)"),
        (["--allocation", "adaptive"], "--allocation adaptive divides by seconds"),
        (["--budget", "30m"], "--budget lets a clock decide"),
    ],
)  # fmt: skip
def test_what_lets_a_clock_decide_is_refused_in_one_line(flags, reason, capsys, tmp_path):
    assert main(["sweep", "--deterministic", *flags, "--storage", str(tmp_path / "s")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert reason in line
    assert not (tmp_path / "s").exists()


def test_every_objective_by_name_may_be_deterministic():
    for objective in ("pareto", "forget", "score", "time", "mia", "accuracy"):
        assert SweepConfig(objective=objective, deterministic=True).validate().deterministic


def test_a_sweep_that_exists_stays_deterministic(tmp_path):
    config = SweepConfig(
        task="digits-class:1", name="s", storage=str(tmp_path), deterministic=True, trials=1
    ).validate()
    store_config(config, open_root(f"{tmp_path}/sweeps/s"))
    assert json.loads((tmp_path / "sweeps/s/config.json").read_text())["deterministic"] is True
    again = SweepConfig(task="digits-class:1", name="s", storage=str(tmp_path)).validate()
    assert adopt_stored(again).deterministic


def test_a_deterministic_sweep_gets_no_budget_of_time_later(tmp_path, capsys):
    made = {"deterministic": True, "max_concurrent": 1}
    make_sweep(str(tmp_path), "s", [(0.9, 0.8, 0.1)], config=made)
    before = contents(str(tmp_path))
    assert main(["resume", "s", "--budget", "10m", "--storage", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--budget lets a clock decide" in line
    assert contents(str(tmp_path)) == before
