"""Hyper-parameters: declared once; a bad value is one line that says what would be good."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import InvalidValue
from tasks.search_space import Categorical, Float, Int, Option, parameters, search_space
from tasks.unlearners import UNLEARNERS, unlearner_class
from tasks.unlearners.base import Unlearner
from tasks.unlearners.finetuning.finetune import Finetune


@dataclass(frozen=True)
class Base:
    """A class to read declarations off."""

    lr: Annotated[float, Float(1e-4, 1e-1, log=True)] = 1e-2
    """Learning rate,
    over two lines."""


@dataclass(frozen=True)
class Method(Base):
    """One that extends it."""

    epochs: Annotated[int, Int(1, 10)] = 5
    """Passes."""
    mask: Annotated[str, Categorical(("none", "gradient"))] = "none"
    """What is held."""
    nesterov: bool = False
    """A setting that no sampler moves."""
    undocumented: int = 3


@dataclass(frozen=True)
class WithOption(Unlearner):
    """One with an option."""

    an_option: Annotated[float, Option(Float(0.0, 1.0))] = 0.0
    """Off."""


def test_the_values_of_an_option_are_checked_and_not_searched() -> None:
    assert search_space(WithOption) == {}
    with pytest.raises(InvalidValue, match=r"an_option=2.0 is out of range: a float in 0\.\.1"):
        parameters(WithOption)["an_option"].parse("2")


def test_search_space_has_the_fields_with_a_domain_alone_in_order() -> None:
    assert search_space(Method) == {
        "lr": Float(1e-4, 1e-1, log=True),
        "epochs": Int(1, 10),
        "mask": Categorical(("none", "gradient")),
    }


def test_docstrings_below_the_fields_are_read_through_inheritance() -> None:
    helps = {name: p.help for name, p in parameters(Method).items()}
    assert helps == {
        "lr": "Learning rate,\nover two lines.",
        "epochs": "Passes.",
        "mask": "What is held.",
        "nesterov": "A setting that no sampler moves.",
        "undocumented": "",
    }
    assert [(p.type, p.default) for p in parameters(Method).values()] == [
        (float, 1e-2), (int, 5), (str, "none"), (bool, False), (int, 3),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("lr", ".05", 0.05),
        ("lr", "1e-4", 1e-4),
        ("lr", "0.1", 0.1),
        ("epochs", "1", 1),
        ("epochs", "10", 10),
        ("mask", "gradient", "gradient"),
        ("nesterov", "true", True),
        ("nesterov", "True", True),
        ("nesterov", "false", False),
        ("undocumented", "7", 7),
    ],
)
def test_parses_what_a_text_spells(name: str, text: str, value: object) -> None:
    parsed = parameters(Method)[name].parse(text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("lr", "fast", ["lr=fast", "a float", "0.0001..0.1 (log)"]),
        ("lr", "0.2", ["lr=0.2", "out of range", "0.0001..0.1 (log)"]),
        ("lr", "0.00009", ["out of range", "0.0001..0.1"]),
        ("lr", "nan", ["lr=nan", "0.0001..0.1"]),
        ("lr", "inf", ["lr=inf", "0.0001..0.1"]),
        ("epochs", "2.5", ["epochs=2.5", "an int", "1..10"]),
        ("epochs", "0", ["epochs=0", "out of range", "1..10"]),
        ("epochs", "11", ["out of range", "1..10"]),
        ("mask", "weights", ["mask=weights", "none|gradient"]),
        ("nesterov", "maybe", ["nesterov=maybe", "bool"]),
        ("undocumented", "x", ["undocumented=x", "an int"]),
        ("undocumented", "-7", ["out of range", "at least 1"]),
    ],
)
def test_a_bad_text_is_one_line_that_names_the_range(
    name: str, text: str, expected: list[str]
) -> None:
    with pytest.raises(InvalidValue) as raised:
        parameters(Method)[name].parse(text)
    assert "\n" not in str(raised.value)
    assert all(part in str(raised.value) for part in expected), str(raised.value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_rejected_even_without_a_domain(value: float) -> None:
    with pytest.raises(InvalidValue, match="momentum"):
        Finetune.from_params({"momentum": value})


@given(st.floats(1e-4, 1e-1), st.integers(1, 10))
def test_every_value_inside_the_domain_is_taken_as_it_is(lr: float, epochs: int) -> None:
    method = Finetune.from_params({"lr": lr, "epochs": epochs})
    assert (method.params["lr"], method.params["epochs"]) == (lr, epochs)


@given(st.floats(allow_nan=True, allow_infinity=True).filter(lambda v: not 0 < v < math.inf))
def test_no_value_that_is_not_valid_is_taken(lr: float) -> None:
    with pytest.raises(InvalidValue, match="a float above 0"):
        Finetune.from_params({"lr": lr})


def test_more_may_be_valid_than_is_searched() -> None:
    assert Finetune.from_params({"lr": 7.0, "epochs": 11}).params["lr"] == 7.0
    assert 7.0 not in search_space(Finetune)["lr"]
    with pytest.raises(InvalidValue, match="epochs=0 is out of range: an int at least 1"):
        Finetune.from_params({"epochs": 0})
    with pytest.raises(InvalidValue, match=r"retain_share=1\.1 .* a float above 0, at most 1"):
        Finetune.from_params({"retain_share": 1.1})


def test_without_bounds_of_its_own_a_domain_says_what_is_valid_too() -> None:
    plain, wider = Int(1, 10), Int(1, 10, least=1)
    assert [d.allows(11) for d in (plain, wider)] == [False, True]
    assert [d.allows(0) for d in (plain, wider)] == [False, False]
    assert [d.allows(2.5) for d in (plain, wider)] == [False, False]
    assert [d.spell_valid() for d in (plain, wider)] == ["in 1..10", "at least 1"]
    assert Float(0.2, 1.0, above=0, most=1).spell_valid() == "above 0, at most 1"


@pytest.mark.parametrize("name", UNLEARNERS)
def test_whatever_is_searched_is_valid(name: str) -> None:
    for domain in search_space(unlearner_class(name)).values():
        ends = domain.choices if isinstance(domain, Categorical) else (domain.low, domain.high)
        assert all(domain.allows(value) for value in ends)


def test_a_value_of_another_type_is_rejected() -> None:
    for value in ("0.01", None, [0.01]):
        with pytest.raises(InvalidValue, match="lr"):
            Finetune.from_params({"lr": value})
    with pytest.raises(InvalidValue, match="epochs"):
        Finetune.from_params({"epochs": 2.5})


def test_an_unknown_name_lists_the_valid_ones() -> None:
    with pytest.raises(InvalidValue) as raised:
        Finetune.from_params({"learning_rate": 0.01})
    message = str(raised.value)
    assert "'learning_rate'" in message
    assert all(name in message for name in parameters(Finetune))


def test_params_publishes_every_hyper_parameter_searched_or_not() -> None:
    method = Finetune(lr=0.05)
    options = {name for name, p in parameters(Finetune).items() if p.option is not None}
    assert set(method.params) == set(parameters(Finetune)) - options > set(search_space(Finetune))
    assert method.params["lr"] == 0.05
    assert "an_option" not in WithOption().params
    assert WithOption(an_option=0.5).params["an_option"] == 0.5


def test_a_method_without_unlearn_says_so(bench) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(NotImplementedError, match="Unlearner defines no unlearn"):
        Unlearner().unlearn(bench.problem(Unlearner(), 0)[0])
