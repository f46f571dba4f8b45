"""Limits beside an objective: read, told to the samplers, and heeded by the front and the recommendation."""

from __future__ import annotations

import io
import json
import math
import statistics
from pathlib import Path

import pytest
from optuna.trial import TrialState
from rich.console import Console
from study_rows import TASK, row, stored

import orchestrator
from orchestrator.cluster.jobs import build_entrypoint
from orchestrator.config import JobConfig, SweepConfig
from orchestrator.reporting.front_table import print_front
from orchestrator.results.columns import COLUMNS
from orchestrator.results.objectives import (
    OBJECTIVES,
    Requirement,
    front_rows,
    objective_named,
    read_requirement,
)
from orchestrator.results.recommendation import recommend_point
from orchestrator.results.store import read_results, write_rows
from orchestrator.search.study import UnlearnerStudy

LIMITS = ("forget_accuracy<=.1", "validation_accuracy_retained>= 0.5")
LIMITED = objective_named(",".join(("pareto", *LIMITS)))


def point(trial_id: str, accuracy: float, hidden: float, cost: float, forget: float | None) -> dict:
    """A stored point of a trial."""
    return {
        "sweep": "s", "trial_id": trial_id, "role": "trial", "unlearner": "ssd", "state": "complete", "epoch": 1,
        "params": "{}", "validation_accuracy_retained": accuracy, "validation_indistinguishability": hidden,
        "relative_cost": cost, "forget_accuracy": forget, "references": 2,
    }  # fmt: skip


BEST = point("best", 0.9, 0.9, 0.1, forget=0.3)
MEETS = point("meets", 0.8, 0.8, 0.2, forget=0.1)
WORSE = point("worse", 0.7, 0.7, 0.3, forget=0.0)
UNKNOWN = point("unknown", 0.2, 0.2, 0.0, forget=None)
ROWS = [BEST, MEETS, WORSE, UNKNOWN]


def test_a_limit_is_read_beside_any_objective() -> None:
    assert LIMITED.required == (
        Requirement("forget_accuracy", "<=", 0.1),
        Requirement("validation_accuracy_retained", ">=", 0.5),
    )
    assert LIMITED.metrics == OBJECTIVES["pareto"].metrics
    assert "forget_accuracy" in LIMITED.columns
    own = objective_named("relative_cost:min,forget_accuracy<=.1")
    assert (own.metrics, own.required) == (("relative_cost",), LIMITED.required[:1])
    assert SweepConfig(objective="mia", require=LIMITS).aim == f"mia,{','.join(LIMITS)}"
    assert objective_named("pareto") is OBJECTIVES["pareto"]


def test_by_how_much_a_limit_is_missed() -> None:
    most, least = LIMITED.required
    assert most.measure_excess(BEST) == pytest.approx(0.2)
    assert most.measure_excess(MEETS) == 0.0
    assert most.measure_excess(UNKNOWN) == math.inf
    assert least.measure_excess(UNKNOWN) == pytest.approx(0.3)
    assert least.measure_excess({"validation_accuracy_retained": math.nan}) == math.inf


def test_no_named_objective_reads_the_test_half() -> None:
    for objective in OBJECTIVES.values():
        assert all(COLUMNS[name].half != "test" for name in objective.columns)
        assert objective.help


def test_what_misses_a_limit_hides_nothing_that_meets_it() -> None:
    assert front_rows(ROWS, OBJECTIVES["pareto"]) == [BEST, UNKNOWN]
    assert front_rows(ROWS, LIMITED) == [BEST, MEETS, UNKNOWN]
    assert recommend_point(ROWS, OBJECTIVES["pareto"]) is BEST
    assert recommend_point(ROWS, LIMITED) is MEETS
    assert recommend_point([BEST, UNKNOWN], LIMITED) is None


def test_the_table_marks_what_misses_a_limit(tmp_path: Path) -> None:
    write_rows(tmp_path, "s", "key", ROWS)
    file = io.StringIO()
    config = SweepConfig(name="s", storage=str(tmp_path), require=LIMITS)
    print_front(config, Console(file=file, width=150))
    printed = file.getvalue()
    assert (
        "! does not meet what is required: forget_accuracy<=0.1, validation_accuracy_r" in printed
    )
    table = [line.split("│") for line in printed.splitlines() if "│" in line]
    marks = {cells[2].strip(): cells[1].strip() for cells in table}
    names = (row["trial_id"] for row in (BEST, MEETS, UNKNOWN))
    assert [marks[name] for name in names] == ["!", "*", "!"]
    assert "* recommended: meets" in printed
    found = orchestrator.SweepResult("s", str(tmp_path), config.aim)
    assert found.recommended is not None
    assert found.recommended["trial_id"] == "meets"
    assert len(orchestrator.front(read_results(tmp_path, "s"), config.aim)) == 3


def told(sampler: str, aim: str, count: int) -> tuple[UnlearnerStudy, list]:
    """A study in which a low learning rate is the better one, and only a high one meets the limit."""
    study, finished = UnlearnerStudy("finetune", objective_named(aim), sampler, 0), []
    for number in range(count):
        trial = study.ask(TASK)
        height = math.log10(trial["params"]["lr"])
        last = trial["params"]["epochs"]
        rows = [row(last, accuracy=-height / 10, forget_accuracy=-height / 10)]
        study.tell(trial["trial_id"], rows)
        finished.append(stored(trial, rows, number))
    return study, finished


@pytest.mark.parametrize("sampler", ["tpe", "nsgaii", "nsgaiii"])
def test_samplers_prefer_what_meets_the_limit(sampler: str) -> None:
    aim = "validation_accuracy_retained:max"
    chosen = []
    for limits in ("", ",forget_accuracy<=.15"):
        study, _ = told(sampler, aim + limits, 50)
        late = [t.params["lr"] for t in study.trials[35:]]
        chosen.append(statistics.median(late))
    assert chosen[0] * 5 < chosen[1]


def test_a_study_of_rows_knows_the_same_limits() -> None:
    aim = "pareto,forget_accuracy<=.25"
    study, finished = told("tpe", aim, 4)
    again = UnlearnerStudy("finetune", objective_named(aim), "tpe", 0, finished)
    assert [t.constraints for t in again.trials] == [t.constraints for t in study.trials]
    values = [t.constraints["forget_accuracy<=0.25"] for t in study.trials]
    assert min(values) < 0 < max(values)


def test_ends_of_pruned_trials_and_missing_values_are_told_too() -> None:
    study = UnlearnerStudy("finetune", LIMITED, "tpe", 0)
    for last in (row(1, forget_accuracy=0.0, state="pruned"), row(2)):
        study.tell(study.ask(TASK)["trial_id"], [last])
    pruned, measured, end = study.trials
    complete = TrialState.COMPLETE
    assert [t.state for t in study.trials] == [TrialState.PRUNED, complete, complete]
    for trial in (pruned, measured):
        assert trial.constraints["forget_accuracy<=0.1"] == pytest.approx(-0.1)
    assert math.isfinite(json.loads(json.dumps(end.constraints["forget_accuracy<=0.1"])))
    assert end.constraints["forget_accuracy<=0.1"] > 1


def test_limits_are_stored_and_sent(tmp_path: Path) -> None:
    config = SweepConfig(require=("relative_cost<=.1",))
    assert SweepConfig.from_json(config.to_json()).require == config.require
    assert config.list_differences(SweepConfig()) == ["require was ('relative_cost<=.1',), now ()"]
    job = JobConfig(task="digits-class:1", storage="/s", require=("relative_cost<=.1",))
    assert "--require 'relative_cost<=.1'" in build_entrypoint(job)
    assert str(read_requirement(" relative_cost <= .1 ")) == "relative_cost<=0.1"
