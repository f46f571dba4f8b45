"""Data sets, forget sets and models of a plug-in: tasks are named after them, and made of them alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tasks.datasets import DATASETS, load_dataset
from tasks.errors import InvalidValue
from tasks.forget_sets import FORGET_SETS, forget_set
from tasks.models import MODELS, model_class
from tasks.sequences.task_names import split_name
from tasks.task import Task
from tasks.workbench import Workbench

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
    with pytest.raises(InvalidValue, match=r"unknown task .*data sets: .*few.*kinds: .*first"):
        Task.named(name)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("digit-class:1", "digits-class:1"),
        ("digits-clas:1", "digits-class:1"),
        ("digits", "digits-class:1"),
        ("cifar10-smal-random:0.1", "cifar10-small-random:0.1"),
        ("digits-rndom", "digits-random:…"),
        ("few-frst:2", "few-first:2"),
    ],
)
def test_a_mistyped_task_is_told_the_nearest(own: Path, typed: str, meant: str) -> None:
    with pytest.raises(InvalidValue, match=rf"did you mean {meant}\?"):
        split_name(typed)


def test_a_task_that_resembles_none_gets_no_suggestion(own: Path) -> None:
    with pytest.raises(InvalidValue, match=r"unknown task 'xyz'; valid: DATASET-KIND:ARGUMENT"):
        split_name("xyz")


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
