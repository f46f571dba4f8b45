"""Names: an unknown one lists the valid ones; a plug-in works on the fly, a broken one says why."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from made_outputs import held_against, model_outputs, taught

from tasks.datasets import DATASETS, load_dataset
from tasks.errors import InvalidValue
from tasks.evaluation import METRICS, metric_named
from tasks.evaluation.outputs import Outputs
from tasks.forget_sets import FORGET_SETS, forget_set
from tasks.models import MODELS, model_class
from tasks.registry import Registry, one_of
from tasks.search_space import search_space
from tasks.sequences.task_names import split_name
from tasks.task import Task
from tasks.trial import run_trial
from tasks.unlearners import UNLEARNERS, unlearner_class
from tasks.unlearners.base import Passes, begin_unlearning, passes_of
from tasks.unlearners.finetuning.finetune import Finetune
from tasks.workbench import Workbench

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


def test_module_and_class_work_on_the_fly(plugins: Path, bench) -> None:  # type: ignore[no-untyped-def]
    (plugins / "own_shrink.py").write_text(PLUGIN)
    cls = unlearner_class("own_shrink:Shrink")
    assert cls.__name__ == "Shrink"
    assert "factor" in search_space(cls)
    problem, _ = bench.problem(cls(), 0)
    before = problem.model.head.weight.detach().clone()
    list(begin_unlearning(cls(factor=0.25), problem))
    assert problem.model.head.weight.equal(before * 0.25)
    assert [point.epoch for point in run_trial(bench, cls(), 0)] == [1]


def test_an_entry_point_of_an_installed_package_is_found_by_its_name(plugins: Path) -> None:
    (plugins / "own_shrink.py").write_text(PLUGIN)
    info = plugins / "own_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{UNLEARNERS.group}]\nshrink = own_shrink:Shrink\n")
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


def test_a_plug_in_s_passes_of_before_are_read(plugins: Path) -> None:
    """A pair of retain and forget, or None for a whole training."""
    (plugins / "own_shrink.py").write_text(
        PLUGIN
        + "class Pair(Shrink):\n    passes = (2, 0.5)\nclass Whole(Shrink):\n    passes = None\n"
    )
    declared = {c: passes_of(unlearner_class(f"own_shrink:{c}")) for c in ("Pair", "Whole")}
    assert declared == {"Pair": Passes(retain=2, forget=0.5), "Whole": Passes(trainings=1)}


def test_a_method_that_needs_what_no_problem_offers_is_refused(plugins: Path) -> None:
    (plugins / "own_shrink.py").write_text(
        PLUGIN + 'class Wants(Shrink):\n    needs = frozenset({"tea-leaves", "crystal-ball"})\n'
    )
    with pytest.raises(InvalidValue) as raised:
        unlearner_class("own_shrink:Wants")
    assert "'own_shrink:Wants' needs crystal-ball, tea-leaves" in str(raised.value)
    assert "valid:" in str(raised.value)
    assert "\n" not in str(raised.value)


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


OWN = '''
import dataclasses

import numpy as np

from tasks.datasets.dataset import LabelledImages
from tasks.datasets.digits import load_digits
from tasks.forget_sets.base import ForgetSet
from tasks.models.small_cnn import SmallCNN


def load_few(data_dir=None):
    digits = load_digits(data_dir)
    few = LabelledImages(digits.train.images[:400], digits.train.labels[:400])
    return dataclasses.replace(digits, name="few", train=few)


def load_nothing(data_dir=None):
    return None


class First(ForgetSet):
    """COUNT: the first examples."""

    def mask(self, dataset):
        return np.arange(len(dataset.train)) < int(self.argument)


class Mislabelled(First):
    """COUNT: the first examples, all labelled as nines."""

    def apply(self, dataset):
        labels = np.where(self.mask(dataset), 9, dataset.train.labels)
        return dataclasses.replace(dataset, train=LabelledImages(dataset.train.images, labels))


class Net(SmallCNN):
    """Small, with a width factor that it does not use."""

    def __init__(self, channels, classes, width=1.0):
        super().__init__(channels, classes)
        self.width = width
'''


@pytest.fixture
def own(plugins: Path) -> Path:
    """A package with a data set, forget sets and a model, some of which are entry points."""
    (plugins / "own_things.py").write_text(OWN)
    info = plugins / "own_things-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-things\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        f"[{DATASETS.group}]\nfew = own_things:load_few\ndigits-few = own_things:load_few\n"
        f"[{FORGET_SETS.group}]\nfirst = own_things:First\nclass-first = own_things:First\n"
        f"[{MODELS.group}]\nnet = own_things:Net\n"
    )
    return plugins


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("few-class:1", ("few", "class:1")),
        ("digits-few-first:20", ("digits-few", "first:20")),
        ("digits-class-first:20", ("digits", "class-first:20")),
        ("own_things:load_few-random:0.1", ("own_things:load_few", "random:0.1")),
        ("digits-own_things:First:20", ("digits", "own_things:First:20")),
        (
            "own_things:load_few-own_things:First:2-0",
            ("own_things:load_few", "own_things:First:2-0"),
        ),
        ("digits-random:1e-1", ("digits", "random:1e-1")),
    ],
)
def test_a_task_s_name_is_split_between_data_set_and_forget_set(
    own: Path, name: str, parts: tuple[str, str]
) -> None:
    assert split_name(name) == parts


@pytest.mark.parametrize(
    "name", ["few", "few-", "few-second:2", "no_such:load-class:1", "own_things:load_few-clas:1"]
)
def test_a_task_of_plug_ins_that_are_not_there_lists_those_that_are(own: Path, name: str) -> None:
    with pytest.raises(InvalidValue, match=r"unknown task .*few-first:…"):
        Task.named(name)


@pytest.mark.parametrize(
    "model", ["auto", "net", "net:0.5", "own_things:Net", "own_things:Net:0.5"]
)
def test_a_task_may_be_made_of_plug_ins_alone(own: Path, model: str) -> None:
    task = Task.named("own_things:load_few-own_things:First:20", model)
    dataset = task.load()
    assert dataset.name == "few"
    assert task.forgotten.mask(dataset).sum() == 20
    cls, options = model_class(task.model)
    assert options == ({"width": 0.5} if model.endswith(":0.5") else {})
    assert cls.__name__ == ("SmallCNN" if model == "auto" else "Net")


def test_a_forget_set_that_changes_the_data_has_an_original_model_of_its_own(own: Path) -> None:
    plain, changed = (Task.named(f"digits-own_things:{c}:20") for c in ("First", "Mislabelled"))
    dataset = plain.load()
    here = dataset, "float32", "cpu"
    assert plain.original_key(*here) == Task.named("digits-class:1").original_key(*here)
    assert plain.original_key(*here) != changed.original_key(*here)


def test_a_model_is_trained_on_what_its_forget_set_made_of_the_data(
    own: Path, tmp_path: Path
) -> None:
    task = Task.named("digits-own_things:Mislabelled:20")
    dataset = task.load()
    bench = Workbench(task, dataset, tmp_path / "artifacts", torch.device("cpu"))
    ((_, labels),) = bench.forget.ordered()
    assert labels.tolist() == [9] * 20
    assert dataset.train.labels[:20].tolist() != [9] * 20, "the data set as loaded stays as it is"
    assert bench.dataset.fingerprint == dataset.fingerprint


@pytest.mark.parametrize(
    ("look_up", "name", "reason"),
    [
        (load_dataset, "own_things:load_nothing", "returns no tasks.datasets.dataset.Dataset"),
        (load_dataset, "own_things:OWN", "cannot import"),
        (lambda name: forget_set(name, 0), "own_things:Net:1", "is not a subclass of"),
        (model_class, "own_things:First", "is not a subclass of"),
    ],
)
def test_a_plug_in_of_the_wrong_kind_is_refused(own: Path, look_up, name, reason) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InvalidValue, match=reason) as raised:
        look_up(name)
    assert "\n" not in str(raised.value)
