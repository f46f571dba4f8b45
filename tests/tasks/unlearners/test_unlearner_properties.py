"""What a search relies on: every hyper-parameter acts, yields are shorter runs, and little data is enough."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from tiny_problem import same

from tasks.problem import Problem
from tasks.search_space import EPOCHS, Categorical, Numbers, Parameter, parameters
from tasks.unlearners import UNLEARNERS, unlearner_class
from tasks.unlearners.forget_alone import ForgetAlone
from tasks.workbench import Workbench

State = dict[str, torch.Tensor]

RETAIN, FORGET = 80, 24
"""Examples of the two sets: several batches of SMALL."""
SMALL = 8
"""A batch size by which each part of these sets falls into several batches."""
OTHER: dict[str, Any] = {
    "batch_size": SMALL, "forget_batch_size": SMALL, "epochs": 3, "mask": "magnitude", "images": 16,
    "ascent_epochs": 1, "tensors": 1, "forget_epochs": 1,
    "low": "finetune", "medium": "scrub", "high": "scrub",
}  # fmt: skip
"""Values of hyper-parameters whose other end would do nothing in a short run on few examples, or that have none."""
CONTEXT: dict[tuple[str, str], dict[str, Any]] = {
    ("sfron", "strength"): {
        "strength": 0.01
    },  # a gradient that is clipped is as long whatever the strength
    ("newton-cg", "epochs"): {"damping": 1.0},  # it stops early where the curvature is negative
    **{
        ("rni", name): {"epochs": 6} for name in ("whole", "tensors", "noisy", "noise")
    },  # of its early epochs
    **{(name, "mask_share"): {"mask": "saliency"} for name in UNLEARNERS},
}
"""What else is set where a hyper-parameter is changed; its own value too, if that is to be another one."""
EXEMPT = {
    ("scrub+r", "epochs"): "it may go back to the same epoch",
    ("scrub+r", "forget_epochs"): "it may go back to the same epoch",
    (
        "rum",
        "proxy",
    ): "of a sure model, all proxies may rank a few examples alike; test_meta has their values",
}


@pytest.fixture
def bench(bench_for: Callable[[str, str], Workbench], name: str) -> Workbench:
    """Forget every training scan of a one."""
    return bench_for("digits-class:1", name)


def pose(bench: Workbench, name: str, retain: int = RETAIN, forget: int = FORGET) -> Problem:
    """The problem of a trial of a method, of a few of its examples."""
    problem, _ = bench.problem(unlearner_class(name)(), 0)
    rng = torch.Generator().manual_seed(1)
    parts = {
        "retain": problem.retain.subset(retain, rng),
        "forget": problem.forget.subset(forget, rng),
    }
    return dataclasses.replace(problem, **parts)


def unlearn(problem: Problem, name: str, params: Mapping[str, Any]) -> list[State]:
    """The states after each yield."""
    states = []
    for _ in unlearner_class(name).from_params(dict(params)).unlearn(problem):
        states.append({key: value.clone() for key, value in problem.model.state_dict().items()})
    return states


def shorten(name: str, epochs: int = 2) -> dict[str, Any]:
    """The hyper-parameters of a short run; none where the method has no epochs."""
    return {EPOCHS: epochs} if EPOCHS in parameters(unlearner_class(name)) else {}


def choose_other(parameter: Parameter) -> Any:
    """A value that is not the default: of OTHER, on the way to the farther end of the domain, or half the default."""
    domain, default = parameter.domain, parameter.default
    if parameter.name in OTHER:
        return OTHER[parameter.name]
    if isinstance(domain, Categorical):
        return next(choice for choice in domain.choices if choice != default)
    if isinstance(domain, Numbers):
        end = domain.low if default == domain.high else domain.high
        if parameter.type is int:
            return end if end <= 10 else default + 1
        return (default * end) ** 0.5 if domain.log else (default + end) / 2
    if parameter.type is bool:
        return not default
    if parameter.type is int:
        return max(1, default // 4)
    return default / 2 or 0.1


@pytest.mark.parametrize("name", list(UNLEARNERS))
def test_every_hyper_parameter_changes_the_result(name: str, bench: Workbench) -> None:
    inert, plain = [], unlearn(pose(bench, name), name, shorten(name))[-1]
    for parameter in parameters(unlearner_class(name)).values():
        if (name, parameter.name) in EXEMPT:
            continue
        context = dict(CONTEXT.get((name, parameter.name), {}))
        value = context.pop(parameter.name, choose_other(parameter))
        given = shorten(name) | context
        before = unlearn(pose(bench, name), name, given)[-1] if context else plain
        after = unlearn(pose(bench, name), name, given | {parameter.name: value})[-1]
        if same(before, after):
            inert.append(f"{parameter.name}={value}")
    assert not inert


@pytest.mark.parametrize(
    "name",
    [n for n in UNLEARNERS if (c := unlearner_class(n)).anytime and EPOCHS in parameters(c)],
)
def test_each_yield_of_an_anytime_method_is_a_shorter_run(name: str, bench: Workbench) -> None:
    whole = unlearn(pose(bench, name), name, shorten(name, 3))
    for epochs in (1, 2):
        shorter = unlearn(pose(bench, name), name, shorten(name, epochs))
        assert len(shorter) == epochs
        assert same(shorter[-1], whole[epochs - 1])


@pytest.mark.parametrize(("retain", "forget"), [(RETAIN, 1), (5, 3)])
@pytest.mark.parametrize("name", list(UNLEARNERS))
def test_sets_smaller_than_a_batch_and_a_single_example_are_unlearned(
    name: str, bench: Workbench, retain: int, forget: int
) -> None:
    state = unlearn(pose(bench, name, retain, forget), name, shorten(name, 1))[-1]
    assert all(value.isfinite().all() for value in state.values() if value.is_floating_point())


@pytest.mark.parametrize("name", list(UNLEARNERS))
def test_the_original_stays_as_it_was(name: str, bench: Workbench) -> None:
    problem = pose(bench, name)
    before = {key: value.clone() for key, value in problem.original().state_dict().items()}
    unlearn(problem, name, shorten(name, 1))
    assert same(before, problem.original().state_dict())


@pytest.mark.parametrize("name", list(UNLEARNERS))
def test_it_goes_to_a_worker_and_back_unchanged(name: str) -> None:
    method = unlearner_class(name)()
    assert pickle.loads(pickle.dumps(method)) == method


@pytest.mark.parametrize(
    "name", [n for n in UNLEARNERS if issubclass(unlearner_class(n), ForgetAlone)]
)
def test_the_statistics_need_not_follow_what_the_forget_set_passes_alone(
    name: str, bench: Workbench
) -> None:
    moved = []
    for freeze in (False, True):
        given = shorten(name, 1) | {"freeze_batch_norm": freeze}
        state = unlearn(pose(bench, name), name, given)[-1]
        moved.append(max(int(v) for key, v in state.items() if "num_batches_tracked" in key))
    free, frozen = moved
    assert frozen < free
