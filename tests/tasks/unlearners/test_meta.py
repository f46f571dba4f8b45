"""RUM: how it cuts the forget set, what each part's method is given, and what it refuses."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from tiny_problem import everything, linear_problem, problem_of, run, same

from tasks.errors import InvalidValue
from tasks.problem import Problem
from tasks.unlearners import unlearner_class
from tasks.unlearners.base import Unlearner
from tasks.unlearners.meta.rum import RefinedUnlearning, memorisation, read_method, stage
from tasks.unlearners.passes import Sizes
from tasks.workbench import Workbench

Rum = RefinedUnlearning
ONE_PART = {"low_share": 0.0, "medium_share": 0.0}


def state_after(unlearner: Unlearner, problem: Problem) -> dict[str, torch.Tensor]:
    """Weights and statistics at its end."""
    for _ in unlearner.unlearn(problem):
        pass
    return problem.model.state_dict()


@pytest.mark.parametrize("proxy", ["confidence", "max-confidence", "entropy"])
def test_the_parts_are_disjoint_cover_the_forget_set_and_go_from_low_to_high(
    bench: Workbench, proxy: str
) -> None:
    rum = Rum(proxy=proxy, low_share=0.2, medium_share=0.5)
    problem, _ = bench.problem(rum, 0)
    parts, model = rum.refine(problem), problem.model
    assert [len(p) for p in parts] == rum.sizes(len(problem.forget))
    together = torch.cat([p.indices for p in parts])
    assert torch.equal(together.sort().values, problem.forget.indices.sort().values)
    low, medium, high = (memorisation(model, p, proxy) for p in parts)
    assert low.max() <= medium.min() <= medium.max() <= high.min()
    assert low.min() < high.max()
    assert model.training


@pytest.mark.parametrize(
    ("proxy", "expected"),
    [
        ("confidence", lambda p, y: -p.gather(1, y[:, None])[:, 0].log()),
        ("max-confidence", lambda p, y: -p.max(1).values.log()),
        ("entropy", lambda p, y: -(p * p.log()).sum(1)),
    ],
)
def test_the_proxies_are_those_of_the_probabilities(
    proxy: str, expected: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
) -> None:
    problem = linear_problem()
    x, y = everything(problem.forget)
    p = (x @ problem.model.head.weight.T + problem.model.head.bias).softmax(1)
    found = memorisation(problem.model, problem.forget, proxy)
    torch.testing.assert_close(found, expected(p, y).detach(), rtol=0, atol=1e-10)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 10, 100])
def test_the_sizes_of_the_parts_add_up(count: int) -> None:
    assert sum(Rum().sizes(count)) == count
    assert max(Rum().sizes(count)) - min(Rum().sizes(count)) <= 1
    assert Rum(low_share=0.5, medium_share=0.5).sizes(count)[2] == 0


def test_nothing_for_all_parts_changes_nothing(bench: Workbench) -> None:
    problem, meter = bench.problem(Rum(), 0)
    before = copy.deepcopy(problem.model.state_dict())
    assert same(state_after(Rum(medium="nothing", high="nothing"), problem), before)
    assert meter.gradient_samples == 0


@pytest.mark.parametrize(
    "inner", ["finetune", "salun(epochs=1)", "scrub(epochs=2,lr=.01)", "bad-teacher", "ssd", "jit"]
)
def test_one_part_that_is_the_whole_is_the_method_itself(bench: Workbench, inner: str) -> None:
    """To the last bit: with teachers, and with statistics of BatchNorm."""
    method = read_method(inner)
    assert method is not None
    alone = state_after(method, bench.problem(method, 3)[0])
    rum = Rum(high=inner, **ONE_PART)  # type: ignore[arg-type]
    assert same(state_after(rum, bench.problem(rum, 3)[0]), alone)
    first = Rum(low=inner, medium="nothing", high="nothing", low_share=1.0, medium_share=0.0)
    assert same(state_after(first, bench.problem(first, 3)[0]), alone)


def test_a_part_is_unlearned_while_the_later_ones_are_retained() -> None:
    """And its original is the model that the part before it left."""
    problem = problem_of(linear_problem(retain=12, forget=6).retain, 7, linear_problem().model)
    low, medium, high = Rum().refine(problem)
    with torch.no_grad():
        problem.model.head.weight.add_(1.0)
    here = stage(problem, medium, [high])
    assert set(here.retain.indices.tolist()) == {
        *problem.retain.indices.tolist(),
        *high.indices.tolist(),
    }
    assert torch.equal(here.forget.indices, medium.indices)
    assert not set(low.indices.tolist()) & set(here.retain.indices.tolist())
    assert torch.equal(here.original().head.weight, problem.model.head.weight)
    with torch.no_grad():
        problem.model.head.weight.add_(1.0)
    assert not torch.equal(here.original().head.weight, problem.model.head.weight)
    assert stage(problem, high, []).retain is problem.retain


def test_a_class_is_forgotten_only_when_no_part_of_it_is_left(bench: Workbench) -> None:
    problem, _ = bench.problem(Rum(), 0)
    _, medium, high = Rum().refine(problem)
    assert problem.forgotten_classes == (1,)
    assert stage(problem, medium, [high]).forgotten_classes == ()
    assert stage(problem, high, []).forgotten_classes == (1,)


def test_the_three_parts_are_three_methods_in_turn(bench: Workbench) -> None:
    some = {"low": "finetune(epochs=1)", "medium": "gradient-ascent", "high": "salun(epochs=1)"}
    rum = Rum(**some)  # type: ignore[arg-type]
    whole = state_after(rum, bench.problem(rum, 1)[0])
    problem, _ = bench.problem(rum, 1)
    parts = rum.refine(problem)
    for number, text in enumerate(some.values()):
        method = read_method(text)
        assert method is not None
        state_after(method, stage(problem, parts[number], parts[number + 1 :]))
    assert same(problem.model.state_dict(), whole)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"low": "nothin"}, "unknown unlearner 'nothin'"),
        ({"high": "salun(lr=-7)"}, "lr=-7.0 is out of range: a float above 0"),
        ({"high": "salun(rate=7)"}, "unknown hyper-parameter of salun 'rate'.*; valid: lr, "),
        ({"high": "salun(lr=.01"}, r"rum: 'salun\(lr=.01' is no method; valid: nothing, NAME or"),
        ({"medium": "unsir"}, "rum: unsir forgets whole classes; valid: nothing and other methods"),
        ({"medium": "rum"}, "rum: rum has parts itself"),
        ({"low_share": 0.7}, "low_share=0.7 and medium_share=0.33.* valid: a sum of at most 1"),
    ],
)
def test_what_cannot_be_a_part_is_refused_in_one_line(fields: dict[str, object], says: str) -> None:
    with pytest.raises(InvalidValue, match=says) as raised:
        Rum.from_params(fields)
    assert "\n" not in str(raised.value)


def test_the_factor_scales_learning_rates_within_their_ranges() -> None:
    lr = {name: unlearner_class(name)().lr for name in ("finetune", "salun")}  # type: ignore[attr-defined]
    nothing, medium, high = Rum(lr_factor=3.0).methods()
    assert nothing is None
    assert (medium.lr, high.lr) == (3 * lr["finetune"], 3 * lr["salun"])  # type: ignore[union-attr]
    assert read_method("salun(lr=.05)", 10.0).lr == 0.1  # type: ignore[union-attr]
    assert read_method("ssd", 10.0) == unlearner_class("ssd")()


def test_its_estimate_adds_up_the_methods_of_the_parts(bench: Workbench) -> None:
    fields = {
        "low": "scrub(epochs=2)",
        "medium": "finetune(epochs=2,sam=.05)",
        "high": "salun(epochs=1)",
    }
    rum = Rum(**fields)  # type: ignore[arg-type]
    problem, meter = bench.problem(rum, 0)
    state_after(rum, problem)
    sizes = Sizes(len(bench.retain), len(bench.forget), problem.model.recipe.epochs)
    assert meter.gradient_samples == pytest.approx(Rum.count_samples(sizes, rum.params), abs=4)


def test_runs_in_float64_without_a_part_for_few_examples() -> None:
    """Two examples in three parts: one part is empty."""
    problem = linear_problem(forget=2)
    states = run(Rum(low="finetune(epochs=1)", medium="finetune(epochs=1)"), problem)
    assert len(states) == 2
    assert not torch.equal(states[0], states[1])
