"""Registered names: each leads to something documented, and nothing that could be chosen is left out."""

from __future__ import annotations

import ast
import pkgutil
from pathlib import Path

import pytest
from sources import SHARED_BY_METHODS, inside, name_of

from orchestrator.results.objectives import OBJECTIVES
from tasks.datasets import DATASETS
from tasks.evaluation import METRICS
from tasks.evaluation.metric import Metric
from tasks.forget_sets import FORGET_SETS
from tasks.models import AUTO, MODELS
from tasks.needs import NEEDS
from tasks.sequences.task_names import TASKS, split_name
from tasks.unlearners import UNLEARNERS

ENTRIES = {**DATASETS, **FORGET_SETS, **MODELS, **UNLEARNERS, **NEEDS}


@pytest.mark.parametrize("name", list(ENTRIES))
def test_every_registered_name_resolves_to_something_documented(name: str) -> None:
    found = pkgutil.resolve_name(ENTRIES[name])
    assert callable(found)
    assert found.__doc__


@pytest.mark.parametrize("name", list(METRICS))
def test_every_metric_is_a_function_of_its_name(name: str) -> None:
    metric = pkgutil.resolve_name(METRICS[name])
    assert isinstance(metric, Metric)
    assert metric.function.__name__ == name
    assert metric.function.__doc__


def test_registries_agree_with_each_other() -> None:
    assert set(AUTO) == set(DATASETS)
    assert {
        spec.partition(":")[0] for by_device in AUTO.values() for spec in by_device.values()
    } <= set(MODELS)
    assert {split_name(name)[0] for name in TASKS} == set(DATASETS)
    assert all(len(o.metrics) == len(o.maximise) for o in OBJECTIVES.values())


def defines(file: Path, kind: type[ast.stmt], prefix: str = "") -> bool:
    """Whether a file defines a function or class at its top level, whose name begins so."""
    body = ast.parse(file.read_text()).body
    return any(isinstance(node, kind) and node.name.startswith(prefix) for node in body)  # type: ignore[attr-defined]


def test_no_method_model_data_or_forget_set_is_left_out_of_its_registry() -> None:
    """A file with a class or a loader that no registry names can never be chosen."""
    steps = inside("tasks/unlearners/steps")
    methods = [f for f in inside("tasks/unlearners") if f not in steps]
    choices = [
        *(f for f in methods if defines(f, ast.ClassDef) and f.stem not in SHARED_BY_METHODS),
        *(f for f in inside("tasks/forget_sets") if defines(f, ast.ClassDef) and f.stem != "base"),
        *(
            f
            for f in inside("tasks/models")
            if defines(f, ast.ClassDef) and f.stem not in ("network", "own")
        ),
        *(f for f in inside("tasks/needs") if defines(f, ast.ClassDef) and f.stem != "base"),
        *(f for f in inside("tasks/datasets") if defines(f, ast.FunctionDef, "load_")),
    ]
    named = {reference.partition(":")[0] for reference in ENTRIES.values()}
    modules = {name_of(f).removesuffix(".py").replace("/", ".") for f in choices}
    assert modules - {"tasks.datasets.__init__"} == named
