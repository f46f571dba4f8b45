"""The original model and the references that a sweep is compared with."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import ray
import workers

from orchestrator.worker.baselines import Ready, prepare_models, train_model
from orchestrator.worker.settings import WorkerSettings
from tasks.errors import UnfitNode


@pytest.fixture
def settings(tmp_path: Path) -> WorkerSettings:
    return workers.settings(tmp_path, sweep="here")


def prepared(settings: WorkerSettings) -> dict[str, dict[str, object]]:
    """Prepare the models as a driver does: what one process leaves to others, then all rows."""
    first, *events = prepare_models(settings, False)
    assert isinstance(first, Ready)
    for role in first.missing:
        list(train_model(settings.with_dtype(first.dtype), role))
    if first.missing:
        _, *events = prepare_models(settings, False)
    rows = events[-1]
    assert isinstance(rows, dict)
    return measured(rows)


def measured(rows: dict[str, dict[str, object]]) -> dict[str, dict[str, object]]:
    """Return what `rows` say: a row that was read back has each column, so also the empty ones."""
    return {
        role: {column: value for column, value in row.items() if value is not None}
        for role, row in rows.items()
    }


def test_a_resume_on_other_hardware_goes_on_from_the_same_models(settings):
    """A node that prefers another dtype trains no models of its own for a sweep that has begun."""
    there = prepared(dataclasses.replace(settings, dtype="bfloat16"))
    assert {row["dtype"] for row in there.values()} == {"bfloat16"}
    first, *events = prepare_models(settings, False)
    assert (first.dtype, first.missing) == ("bfloat16", ())
    assert [measured(rows) for rows in events] == [there], "a model was trained again"


def test_each_reference_is_a_row_that_differs_in_its_training_alone(settings):
    rows = prepared(dataclasses.replace(settings, references=3))
    assert list(rows) == ["original", "retrained", "reference-1", "reference-2"]
    references = [row for row in rows.values() if row["role"] == "retrained"]
    assert len({row["seed"] for row in references}) == 3
    assert len({row["trial_key"] for row in references}) == 3
    assert {row["task_key"] for row in references} == {rows["original"]["task_key"]}
    assert all(row["references"] == 3 for row in rows.values())
    assert all(row["indistinguishability"] > 0.5 for row in references)
    assert rows["original"]["indistinguishability"] < 0.2


def test_the_number_of_threads_decides_which_models_these_are(settings):
    first, *_ = prepare_models(settings, False)
    assert isinstance(first, Ready)
    more, *_ = prepare_models(dataclasses.replace(settings, cpus=2), False)
    assert more.missing == first.missing == ("retrained", "reference-1")


def test_a_node_with_other_data_than_the_driver_trains_no_models(settings, tmp_path):
    with pytest.raises(UnfitNode, match="0123456789abcdef"):
        list(prepare_models(dataclasses.replace(settings, data="0123456789abcdef"), False))
    assert list(tmp_path.rglob("*.*")) == []
    assert not ray.is_initialized(), "to ask Ray for this node would start a cluster here"
