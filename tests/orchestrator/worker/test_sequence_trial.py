"""A worker's trial of a sequence, in this process: one row, of the end, judged by all that was forgotten."""

from __future__ import annotations

from typing import Any

import pytest
import workers

import orchestrator
from orchestrator.results.store import read_results
from orchestrator.worker.baselines import prepare_models, train_model
from orchestrator.worker.settings import WorkerSettings
from tasks.evaluation import list_in_rows
from tasks.task import Task

NAME = "digits-class:1;class:7"
METRICS = list_in_rows()


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> WorkerSettings:
    """A sweep of the sequence with its models, and their rows."""
    made = workers.settings(tmp_path_factory.mktemp("s"), task=Task.named(NAME).whole())
    for role in made.trained:
        list(train_model(made, role))
    *_, rows = prepare_models(made, calibrate=False)
    assert isinstance(rows, dict)
    assert list(rows) == ["original", "retrained", "reference-1"]
    return made


def step(settings: WorkerSettings, number: int, **params: Any) -> dict[str, Any]:
    """The row that a worker stores of one trial."""
    trial = {"trial_id": f"t-{number}", "unlearner": "finetune", "params": params, "seed": number}
    workers.answer(settings, [trial])
    stored = read_results(settings.storage, settings.sweep).to_pylist()
    (row,) = (row for row in stored if row["trial_id"] == trial["trial_id"])
    return dict(row)


def test_the_models_of_a_sequence_are_those_of_the_single_request_for_all(
    settings: WorkerSettings,
) -> None:
    rows = read_results(settings.storage, settings.sweep).to_pylist()
    models = {row["trial_id"]: row for row in rows}
    both = Task.named("digits-class:1+7")
    dataset = both.load()
    assert models["retrained"]["retrained_key"] == both.retrained_key(dataset, "float32", "cpu-1")
    assert models["original"]["forget_accuracy"] > 0.9
    assert models["retrained"]["forget_accuracy"] == 0
    assert models["retrained"]["test_accuracy_forgotten"] == 0
    assert models["original"]["forget_classes"] == '{"1": 126, "7": 115}'
    assert models["original"]["indistinguishability"] < 0.1


def test_a_trial_is_one_row_that_run_gives_again(settings: WorkerSettings) -> None:
    """A second trial between shows that each begins from the original, though the benches stay."""
    first = step(settings, 0, epochs=2, lr=0.03)
    step(settings, 1, epochs=1, lr=0.1)
    assert (first["state"], first["final"], first["epoch"], first["task"]) == (
        "complete",
        True,
        2,
        NAME,
    )
    params = {"epochs": 2, "lr": 0.03}
    (again,) = orchestrator.run_trial(NAME, "finetune", params, storage=settings.storage)
    assert [again[name] for name in METRICS] == [first[name] for name in METRICS]
    assert again["flops"] == first["flops"]
    followed = orchestrator.run_sequence(NAME, "finetune", params, storage=settings.storage)
    assert [followed.whole[name] for name in METRICS] == [first[name] for name in METRICS]
    assert [row["request"] for row in followed.rows] == ["class:1", "class:7"]
    assert followed.rows[-1]["flops"] == first["flops"]
