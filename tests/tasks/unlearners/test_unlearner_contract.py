"""What every unlearner promises, on the digits; a new line in UNLEARNERS is covered unasked."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.evaluation.outputs import outputs
from tasks.models.network import Network
from tasks.search_space import Categorical, Float, Int, parameters, search_space
from tasks.unlearners import UNLEARNERS, unlearner_class
from tasks.unlearners.base import Unlearner
from tasks.unlearners.passes import Sizes
from tasks.unlearners.verified import verified_of
from tasks.workbench import Workbench

EXACT = {"retrain"}
"""Methods that cite no paper: they are what the papers approximate."""

KNOWN_ANSWERS = {
    name
    for file in Path(__file__).parent.rglob("test_*.py")
    for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)
}
"""The tests of the unlearners and of the steps that they share."""

SURE = {"ssd": {"selection": 2.0}}
"""Hyper-parameters at which a method surely changes something, where its defaults may leave the weights as they are.

The threshold of SSD's authors is just above or just below what single weights of this model have: the CPU decides.
"""


def name_test(sentence: str) -> str:
    """The name of the test that shows what `sentence` says."""
    return "test_" + re.sub(r"[^a-z0-9]+", "_", sentence.lower())


def surely(name: str) -> Unlearner:
    """A method at its defaults, but for what SURE says."""
    return unlearner_class(name).from_params(SURE.get(name, {}))


SMALL = {
    "retain_share": 0.3, "batch_size": 48, "epochs": 2, "forget_epochs": 3, "ascent_epochs": 1,
}  # fmt: skip
"""Few passes; those over the forget set are asked for in more epochs than there are, or in fewer."""

PAPER = re.compile(r"[A-Z][a-z]+.*\b(19|20)\d\d\b")

pytestmark = pytest.mark.parametrize("name", list(UNLEARNERS))


@dataclass(frozen=True)
class Outcome:
    """What one run of an unlearner left."""

    model: Network
    start: dict[str, torch.Tensor]
    yields: int
    samples: int
    """Examples passed forward and backward."""
    kept_global_rng: bool

    @property
    def state(self) -> dict[str, torch.Tensor]:
        """Weights and statistics after it."""
        return self.model.state_dict()


def run_once(bench: Workbench, unlearner: Unlearner, seed: int) -> Outcome:
    """Run it from the original model to its end."""
    problem, meter = bench.problem(unlearner, seed)
    model = problem.model
    start = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    yields = sum(1 for _ in unlearner.unlearn(problem))
    kept = torch.equal(torch_before, torch.get_rng_state())
    kept = kept and np.array_equal(numpy_before, np.random.get_state()[1])
    return Outcome(model, start, yields, meter.gradient_samples, kept)


@pytest.fixture
def bench(bench_for: Callable[[str, str], Workbench], name: str) -> Workbench:
    """Forget every training scan of a one."""
    return bench_for("digits-class:1", name)


@pytest.fixture
def random_bench(bench_for: Callable[[str, str], Workbench], name: str) -> Workbench:
    """Forget a random tenth of the digits."""
    return bench_for("digits-random:0.1", name)


@pytest.fixture(scope="module")
def outcome(bench_for: Callable[[str, str], Workbench]) -> Callable[[str, int], Outcome]:
    """The outcome of a method at its defaults (see SURE), by name and seed, run once."""

    @functools.cache
    def of(name: str, seed: int) -> Outcome:
        return run_once(bench_for("digits-class:1", name), surely(name), seed)

    return of


def differing(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> list[str]:
    """Names of the tensors of `a` that are not bit for bit the same; an ensemble has some of its own."""
    assert a.keys() <= b.keys()
    return [name for name in a if not torch.equal(a[name], b[name])]


def test_is_a_frozen_dataclass_that_says_what_it_does(name: str) -> None:
    cls = unlearner_class(name)
    assert issubclass(cls, Unlearner)
    assert "__dataclass_fields__" in vars(cls), "the class itself must be a dataclass"
    with pytest.raises(dataclasses.FrozenInstanceError):
        cls().anything = 1  # type: ignore[attr-defined]
    assert cls.__doc__
    assert not cls.__doc__.startswith(f"{cls.__name__}("), "dataclass's own docstring"


def test_names_its_paper(name: str) -> None:
    documented = sys.modules[unlearner_class(name).__module__].__doc__ or ""
    assert documented
    assert name in EXACT or PAPER.search(documented), documented


def test_says_what_was_verified_of_it_and_the_tests_exist(name: str) -> None:
    verified = verified_of(unlearner_class(name))
    assert verified is not None
    assert verified.rule
    assert verified.shown
    missing = [sentence for sentence in verified.shown if name_test(sentence) not in KNOWN_ANSWERS]
    assert not missing


def test_every_field_is_documented_and_its_default_valid(name: str) -> None:
    cls = unlearner_class(name)
    for parameter in parameters(cls).values():
        assert parameter.help, f"{parameter.name} has no docstring"
        assert parameter.check(parameter.default) == parameter.default
        assert type(parameter.default) is parameter.type
    assert all(isinstance(d, Float | Int | Categorical) for d in search_space(cls).values())


def test_its_defaults_survive_a_round_trip_through_plain_values(name: str) -> None:
    unlearner = unlearner_class(name)()
    assert type(unlearner).from_params(unlearner.params) == unlearner


def test_receives_a_problem_alone(name: str) -> None:
    assert list(inspect.signature(unlearner_class(name).unlearn).parameters) == ["self", "problem"]


def test_changes_the_weights(name: str, outcome: Callable[[str, int], Outcome]) -> None:
    done = outcome(name, 0)
    weights = {n for n, p in done.model.named_parameters() if p.requires_grad}
    assert weights & set(differing(done.start, done.state))


def test_the_same_seed_gives_the_same_bits(
    name: str, outcome: Callable[[str, int], Outcome], bench: Workbench
) -> None:
    again = run_once(bench, surely(name), 0)
    assert differing(outcome(name, 0).state, again.state) == []


def test_another_seed_gives_other_weights_unless_it_draws_nothing(
    name: str, outcome: Callable[[str, int], Outcome]
) -> None:
    same = differing(outcome(name, 0).state, outcome(name, 1).state) == []
    assert same == unlearner_class(name).deterministic


def test_yields_after_each_epoch_or_once(name: str, outcome: Callable[[str, int], Outcome]) -> None:
    done, unlearner = outcome(name, 0), unlearner_class(name)()
    whole = done.model.recipe.epochs if name == "retrain" else 1
    assert done.yields == getattr(unlearner, "epochs", whole)


@pytest.mark.parametrize("wanted", [{}, SMALL])
def test_passes_over_its_sets_as_often_as_it_declares(
    name: str, wanted: dict[str, float], bench: Workbench
) -> None:
    cls = unlearner_class(name)
    unlearner = cls.from_params({k: v for k, v in wanted.items() if k in parameters(cls)})
    done, params = run_once(bench, unlearner, 0), unlearner.params
    batch_size, epochs = params.get("batch_size", 1), params.get("epochs", 1)
    sizes = Sizes(
        len(bench.retain), len(bench.forget), done.model.recipe.epochs, len(bench.calibration)
    )
    declared = cls.count_samples(sizes, params)
    if not (cls.preparation.exact and cls.passes.exact):
        assert declared / 3 <= done.samples <= 3 * declared
        return
    # A share is rounded to whole examples, perhaps twice; batches beside others may stop within the forget set.
    rounding = batch_size / 2 if cls.passes.beside or cls.passes.beside_forget else 2
    assert done.samples == pytest.approx(declared, abs=epochs * rounding)


def test_one_epoch_yields_once(name: str, bench: Workbench) -> None:
    cls = unlearner_class(name)
    if "epochs" not in parameters(cls):
        pytest.skip("it has no epochs to choose")
    assert run_once(bench, cls.from_params({"epochs": 1}), 0).yields == 1


def test_outputs_are_finite_at_the_defaults(
    name: str, outcome: Callable[[str, int], Outcome], bench: Workbench
) -> None:
    model = outcome(name, 0).model
    for split in (bench.retain, bench.forget):
        assert np.isfinite(outputs(model, split).losses).all()


def test_leaves_the_global_generators_alone(
    name: str, outcome: Callable[[str, int], Outcome]
) -> None:
    assert outcome(name, 0).kept_global_rng


def test_runs_on_a_random_forget_set(name: str, random_bench: Workbench) -> None:
    cls = unlearner_class(name)
    if cls.class_forgetting:
        pytest.skip("it forgets whole classes alone")
    cheap = {"epochs": 1} if "epochs" in parameters(cls) else {}
    done = run_once(random_bench, cls.from_params(cheap), 0)
    assert np.isfinite(outputs(done.model, random_bench.retain).losses).all()
