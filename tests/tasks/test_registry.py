"""Names of registries: an unknown one lists the valid ones; a metric says what it is and which half it reads."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from made_outputs import held_against, model_outputs, taught

from tasks.datasets import DATASETS, load_dataset
from tasks.errors import InvalidValue
from tasks.evaluation import METRICS, metric_named
from tasks.evaluation.outputs import Outputs
from tasks.models import MODELS, model_class
from tasks.registry import Registry, one_of
from tasks.unlearners import UNLEARNERS, unlearner_class
from tasks.unlearners.finetuning.finetune import Finetune


def test_a_known_name_is_itself() -> None:
    assert one_of("fruit", "pear", ["apple", "pear"]) == "pear"


def test_an_unknown_name_lists_the_valid_ones_and_the_nearest() -> None:
    with pytest.raises(InvalidValue) as raised:
        unlearner_class("finetun")
    message = str(raised.value)
    assert "unknown unlearner 'finetun'" in message
    assert "did you mean finetune?" in message
    assert all(each in message for each in UNLEARNERS)
    assert "\n" not in message


def test_nothing_is_suggested_when_nothing_is_near() -> None:
    with pytest.raises(InvalidValue) as raised:
        unlearner_class("zzz")
    assert "did you mean" not in str(raised.value)


@pytest.mark.parametrize(
    ("look_up", "name", "valid"),
    [(load_dataset, "mnist", DATASETS), (model_class, "vgg", MODELS)],
)
def test_every_registry_lists_its_names(look_up, name, valid) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InvalidValue) as raised:
        look_up(name)
    assert all(each in str(raised.value) for each in valid)


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_says_in_one_line_what_it_is(name: str) -> None:
    assert metric_named(name).help
    assert "\n" not in metric_named(name).help


INDIFFERENT = "loss_attack_tpr_tenth_percent", "svc_mia_correctness"
"""Null with so few examples; and whether most predictions are right, which they are in either case."""


@pytest.mark.parametrize("name", METRICS)
def test_the_held_out_half_of_a_metric_is_the_one_that_it_reads(name: str) -> None:
    """Outputs of the other half are other ones: the value stays."""
    metric, case = metric_named(name), held_against(taught(model_outputs(1)), forgotten=(1,))
    case = dataclasses.replace(case, taught_errors=((0, 2), (2, 0)))
    always_right = np.eye(4, dtype=np.float32)[case.test.labels]
    other = Outputs(always_right, case.test.labels)
    read = {
        half
        for half in ("validation", "test")
        if metric(dataclasses.replace(case, **{half: other})) != metric(case)
    }
    assert read <= {metric.half}
    if metric.needs == "outputs" and not name.startswith(INDIFFERENT):
        assert read == {metric.half} - {"none"}


def test_what_is_no_metric_is_an_invalid_value_that_names_it() -> None:
    with pytest.raises(
        InvalidValue, match=r"unknown metric 'indistinguishable'.*valid: validation_"
    ):
        metric_named("indistinguishable")
    with pytest.raises(InvalidValue, match="'math:sqrt' is not declared"):
        metric_named("math:sqrt")


def test_a_registered_name_resolves_to_its_class() -> None:
    assert unlearner_class("finetune") is Finetune


COLOURS = Registry("colour", "orchestrator.no_such_group", {"red": "a:b", "dark-red": "c:d"})


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("red", ("red", "")),
        ("red:0.5", ("red", "0.5")),
        ("red:deep:0.5", ("red", "deep:0.5")),
        ("json:loads", ("json:loads", "")),
        ("json.decoder:JSONDecoder:0.5:1", ("json.decoder:JSONDecoder", "0.5:1")),
        ("json:2", ("json", "2")),
        ("blue:deep", ("blue", "deep")),
        ("", ("", "")),
        (":x", ("", "x")),
    ],
)
def test_a_name_is_split_from_its_argument(spec: str, parts: tuple[str, str]) -> None:
    """A registered name wins; module:attribute is one if its package is installed."""
    assert COLOURS.split(spec) == parts


def test_a_registry_knows_its_names_and_what_is_installed() -> None:
    assert COLOURS.names() == list(COLOURS) == ["red", "dark-red"]
    assert [
        n for n in ("red", "blue", "json:loads", "no_such:x", "json:", "") if COLOURS.has(n)
    ] == [
        "red",
        "json:loads",
    ]
