"""The two models that a sweep is held against."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from orchestrator.worker.baselines import prepare_baselines
from orchestrator.worker.settings import WorkerSettings
from tasks.errors import UnfitNode
from tasks.task import Task


@pytest.fixture
def settings(tmp_path: Path) -> WorkerSettings:
    return WorkerSettings(
        sweep="here", task=Task.named("digits-class:1"), storage=str(tmp_path), data_dir=None,
        loader="auto", cpus=1, gpus=0.0, objective_metrics=(), trial_seconds=None,
    )  # fmt: skip


def test_a_resume_on_other_hardware_goes_on_from_the_same_models(settings):
    """A node that prefers another dtype trains no models of its own for a sweep that has begun."""
    elsewhere = dataclasses.replace(settings, dtype="bfloat16")
    *_, there = prepare_baselines(elsewhere, 1, False)
    assert {row["dtype"] for row in there.values()} == {"bfloat16"}
    events = list(prepare_baselines(settings, 1, False))
    assert len(events) == 1, "a model was trained again"
    here = events[0]
    assert here == there


def test_a_node_with_other_data_than_the_driver_trains_no_models(settings, tmp_path):
    with pytest.raises(UnfitNode, match="0123456789abcdef"):
        list(prepare_baselines(dataclasses.replace(settings, data="0123456789abcdef"), 1, False))
    assert list(tmp_path.rglob("*.*")) == []
