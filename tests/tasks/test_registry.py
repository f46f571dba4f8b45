"""Names: an unknown one lists the valid ones; a plug-in works on the fly, a broken one says why."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tasks.datasets import DATASETS, load_dataset
from tasks.errors import InvalidValue
from tasks.evaluation import METRICS
from tasks.models import MODELS, model_class
from tasks.registry import one_of, resolve
from tasks.search_space import search_space
from tasks.unlearners import PLUGINS, UNLEARNERS, unlearner_class
from tasks.unlearners.finetuning.finetune import Finetune

PLUGIN = '''
from dataclasses import dataclass
from typing import Annotated

from tasks.search_space import Float
from tasks.unlearners.base import Unlearner


@dataclass(frozen=True)
class Shrink(Unlearner):
    """Scale every weight."""

    factor: Annotated[float, Float(0.1, 0.9)] = 0.5
    """What is left."""

    def unlearn(self, model, retain, forget, rng):
        for p in model.parameters():
            p.data.mul_(self.factor)
        yield
'''


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the import path; modules imported from it are forgotten afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("own_"):
            del sys.modules[name]


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


@pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
def test_a_metric_says_its_ideal_or_what_it_is(metric) -> None:  # type: ignore[no-untyped-def]
    assert metric.help
    assert "\n" not in metric.help


def test_a_registered_name_resolves_to_its_class() -> None:
    assert unlearner_class("finetune") is Finetune


def test_module_and_class_work_on_the_fly(plugins: Path, bench) -> None:  # type: ignore[no-untyped-def]
    (plugins / "own_shrink.py").write_text(PLUGIN)
    cls = unlearner_class("own_shrink:Shrink")
    assert cls.__name__ == "Shrink"
    assert "factor" in search_space(cls)
    model = bench.fresh_model()
    before = model.head.weight.detach().clone()
    list(cls(factor=0.25).unlearn(model, bench.retain, bench.forget, bench.generator(0)))
    assert model.head.weight.equal(before * 0.25)


def test_an_entry_point_of_an_installed_package_is_found_by_its_name(plugins: Path) -> None:
    (plugins / "own_shrink.py").write_text(PLUGIN)
    info = plugins / "own_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{PLUGINS}]\nshrink = own_shrink:Shrink\n")
    assert unlearner_class("shrink").__name__ == "Shrink"
    with pytest.raises(InvalidValue, match="shrink"):
        unlearner_class("nothing")


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("own_missing:Method", None),
        ("own_absent:Method", "x = 1"),
        ("own_import:Method", "import no_such_package_anywhere"),
        ("own_syntax:Method", "def broken(:"),
        ("own_raises:Method", "raise RuntimeError('no licence')"),
        ("own_number:Method", "Method = 3"),
        ("own_other:Method", "class Method: pass"),
        ("own_module:", "x = 1"),
        (":Method", None),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_broken_plugin_is_an_invalid_value_that_names_it(
    plugins: Path, name: str, source: str | None
) -> None:
    if source is not None:
        (plugins / f"{name.partition(':')[0]}.py").write_text(source)
    with pytest.raises(InvalidValue) as raised:
        unlearner_class(name)
    assert repr(name) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_colon_is_no_way_into_a_registry_without_plugins() -> None:
    with pytest.raises(InvalidValue, match="unknown data set"):
        resolve("data set", "json:loads", DATASETS)
