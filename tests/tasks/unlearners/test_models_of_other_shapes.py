"""Methods on models unlike that of the digits: a head under another name, and layers of the user's own."""

from __future__ import annotations

import contextlib
import copy
import functools
import inspect
from dataclasses import replace

import pytest
import torch
from drawn_problem import Convolutional, tiny_problem
from tiny_problem import same
from torch import nn

from tasks.errors import InvalidValue
from tasks.models import LEAST_SIDE, MODELS, model_class
from tasks.models.network import Network
from tasks.models.own import wrap_function
from tasks.unlearners import UNLEARNERS, unlearner_class
from tasks.unlearners.base import begin_unlearning
from tasks.unlearners.relabelling.boundary_expand import BoundaryExpand, widened
from tasks.unlearners.steps.batches import count_share
from tasks.unlearners.steps.blocks import other_head

CONVOLUTIONAL = [name for name in UNLEARNERS if unlearner_class(name).changes_convolutions]


def mlp(channels: int, classes: int, sides: tuple[int, int]) -> nn.Module:
    """A model without a convolution, whose head is an entry of a list."""
    pixels = channels * sides[0] * sides[1]
    return nn.Sequential(nn.Flatten(), nn.Linear(pixels, 8), nn.ReLU(), nn.Linear(8, classes))


def build(name: str) -> Network:
    """A registered family, or the model above, for grey images of 4x4 pixels and three classes."""
    cls = wrap_function(mlp) if name == "mlp" else model_class(name)[0]
    sized = {"sides": (4, 4)} if "sides" in inspect.signature(cls).parameters else {}
    return cls(1, 3, **sized)


@pytest.mark.parametrize("name", [*MODELS, "mlp"])
def test_another_head_stands_where_the_model_s_own_does(name: str) -> None:
    model = build(name)
    own, names = model.head, list(dict(model.named_modules()))
    other = nn.Linear(own.in_features, 5)
    with contextlib.suppress(ZeroDivisionError), other_head(model, other):
        assert model.head is other
        assert list(dict(model.named_modules())) == names
        raise ZeroDivisionError
    assert model.head is own, "also after an exception"


@pytest.mark.parametrize("name", [*(n for n in MODELS if LEAST_SIDE[n] <= 4), "mlp"])
def test_boundary_expand_runs_on_every_family_and_leaves_its_head(name: str) -> None:
    problem = tiny_problem(functools.partial(build, name))
    head, before = problem.model.head, copy.deepcopy(problem.model.state_dict())
    assert len(list(BoundaryExpand(epochs=2).unlearn(problem))) == 2
    after = problem.model.state_dict()
    assert problem.model.head is head
    assert {n: t.shape for n, t in after.items()} == {n: t.shape for n, t in before.items()}
    assert not same(before, after)


def test_the_added_row_is_drawn_as_the_user_s_function_draws_a_head() -> None:
    problem = tiny_problem(functools.partial(build, "mlp"))
    fresh = copy.deepcopy(problem.model)
    fresh.draw([fresh.head], torch.Generator().manual_seed(0))
    row = widened(problem).weight[-1]
    torch.testing.assert_close(row, fresh.head.weight[0], rtol=0, atol=0)


def test_some_methods_change_convolutions() -> None:
    assert CONVOLUTIONAL == ["not", "msg", "ct", "cfw"]


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_a_method_that_changes_convolutions_refuses_a_model_without_one(name: str) -> None:
    method = unlearner_class(name)
    problem = tiny_problem(functools.partial(build, "mlp"))
    with pytest.raises(InvalidValue, match=f"^{method.__name__} changes convolutions, and"):
        begin_unlearning(method(), problem)


@pytest.mark.parametrize("name", ["unsir", "bad-teacher"])
def test_the_smallest_share_is_one_example(name: str) -> None:
    """Here it would round to none: the retain set has twelve."""
    problem = replace(tiny_problem(Convolutional), forgotten_classes=(1,))
    method = unlearner_class(name).from_params({"retain_share": 1e-3, "batch_size": 4})
    assert len(list(method.unlearn(problem))) >= 1
    assert count_share(problem.retain, 1e-3) == 1
