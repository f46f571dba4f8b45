"""Tasks: their names, and keys that change with each thing that decides a result."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tasks.datasets import DATASETS
from tasks.datasets.dataset import Dataset, LabelledImages
from tasks.errors import InvalidValue
from tasks.forget_sets import FORGET_SETS
from tasks.models import AUTO, LEAST_SIDE, MODELS, model_class
from tasks.models.network import Network
from tasks.provenance import content_key, files_of, source_version
from tasks.sequences.task_names import TASKS
from tasks.task import Task

HERE = "float32", "cpu"
"""The dtype and the type of device of a model."""


@pytest.mark.parametrize("name", list(TASKS))
def test_every_ready_made_name_is_a_task(name: str) -> None:
    task = Task.named(name)
    assert task.name == name
    assert f"{task.dataset}-{task.forget_set}" == name


def test_any_class_or_share_of_a_data_set_is_a_task() -> None:
    assert Task.named("cifar10-random:0.05").forget_set == "random:0.05"
    assert Task.named("digits-class:9").forget_set == "class:9"


@pytest.mark.parametrize(
    "name",
    ["", "digits", "digits-", "digits-subset:1", "mnist-class:1", "class:1", "digits:class-1"],
)
def test_an_unknown_name_lists_the_valid_ones(name: str) -> None:
    with pytest.raises(InvalidValue) as raised:
        Task.named(name)
    message = str(raised.value)
    assert repr(name) in message
    assert (
        f"data sets: {', '.join(DATASETS.names())}; kinds: {', '.join(FORGET_SETS.names())}"
        in message
    )
    assert "\n" not in message


@pytest.mark.parametrize("name", ["digits-class:eleven", "digits-random:2", "digits-class:"])
def test_an_argument_that_the_data_do_not_have_is_refused_when_they_are_loaded(name: str) -> None:
    with pytest.raises(InvalidValue):
        Task.named(name).load()


@pytest.mark.parametrize(
    ("spec", "part"),
    [
        ("resnet50", "resnet9, resnet9-long, airbench94, resnet18, small-cnn"),
        ("resnet9:wide", "0.1..10"),
        ("resnet9:0", "0.1..10"),
        ("resnet9:nan", "0.1..10"),
        ("small-cnn:2", "no width factor"),
    ],
)
def test_a_bad_model_is_one_line_that_says_what_is_valid(spec: str, part: str) -> None:
    with pytest.raises(InvalidValue) as raised:
        Task.named("digits-class:1", model=spec)
    assert part in str(raised.value)


@pytest.mark.parametrize("dataset", list(DATASETS))
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_auto_chooses_a_model_by_device_and_the_key_names_the_choice(
    dataset: str, device: str
) -> None:
    task = Task.named(f"{dataset}-random:0.1", device=device)
    assert task.model == AUTO[dataset][device]
    assert task.recipe["model"] == task.model


def test_the_key_changes_with_each_ingredient(
    digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.models.small_cnn import SmallCNN

    task = Task.named("digits-class:1")
    other_data = replace(digits, train=LabelledImages(digits.train.images ^ 1, digits.train.labels))
    keys = {
        "plain": task.key(digits),
        "forget set": Task.named("digits-class:2").key(digits),
        "kind": Task.named("digits-random:0.1").key(digits),
        "share": Task.named("digits-random:0.2").key(digits),
        "model": Task.named("digits-class:1", model="resnet9").key(digits),
        "width": Task.named("digits-class:1", model="resnet9:2").key(digits),
        "seed": Task.named("digits-class:1", seed=1).key(digits),
        "data": task.key(other_data),
    }
    monkeypatch.setattr(SmallCNN, "recipe", replace(SmallCNN.recipe, lr=0.11))
    keys["recipe"] = task.key(digits)
    alike = [pair for pair in itertools.combinations(keys, 2) if keys[pair[0]] == keys[pair[1]]]
    assert alike == []


def test_the_key_is_the_same_in_another_process_and_wherever_the_data_came_from(
    digits: Dataset, process
) -> None:  # type: ignore[no-untyped-def]
    task = Task.named("digits-class:1")
    source = (
        "from tasks.task import Task; t = Task.named('digits-class:1'); "
        "d = t.load(); print(t.key(d), t.original_key(d, 'float32', 'cpu'))"
    )
    out, _ = process(source).communicate()
    moved = replace(digits, source="elsewhere")
    assert out.split() == [task.key(moved), task.original_key(moved, *HERE)]


def test_tasks_that_differ_in_the_forget_set_alone_share_the_original_model(
    digits: Dataset,
) -> None:
    one, two = Task.named("digits-class:1"), Task.named("digits-random:0.1")
    assert one.original_key(digits, *HERE) == two.original_key(digits, *HERE)
    assert one.retrained_key(digits, *HERE) != two.retrained_key(digits, *HERE)
    assert one.original_key(digits, *HERE) != one.retrained_key(digits, *HERE)


@pytest.mark.parametrize("of", [Task.original_key, Task.retrained_key])
def test_a_model_of_another_seed_family_dtype_or_device_is_another(of, digits: Dataset) -> None:  # type: ignore[no-untyped-def]
    task = Task.named("digits-class:1")
    keys = [
        of(task, digits, *HERE),
        of(task, digits, "bfloat16", "cpu"),
        of(task, digits, "float32", "cuda"),
        of(replace(task, seed=1), digits, *HERE),
        of(replace(task, model="resnet9"), digits, *HERE),
    ]
    assert len(set(keys)) == len(keys)


def test_a_content_key_ignores_the_order_and_refuses_what_json_cannot_hold() -> None:
    assert content_key(a=1, b=[2]) == content_key(b=[2], a=1)
    assert content_key(a=1) != content_key(a=2)
    assert len(content_key()) == 16
    with pytest.raises(ValueError, match="JSON"):
        content_key(a=float("nan"))
    with pytest.raises(TypeError):
        content_key(a=Path("x"))


def test_a_key_says_how_images_are_prepared_and_what_code_trains(tmp_path: Path) -> None:
    """A cached model that was trained otherwise must not be found."""
    task = Task.named("digits-class:1")
    dataset = task.load()
    other = replace(dataset.augmentation, translate=dataset.augmentation.translate + 1)
    assert task.original_key(dataset, *HERE) != task.original_key(
        replace(dataset, augmentation=other), *HERE
    )
    assert task.key(dataset) != task.key(replace(dataset, std=(2 * dataset.std[0],)))
    code = {
        "plain": "STEPS = 5\ndef f(x):\n    return x + STEPS\n",
        "described": '"""Text."""\nSTEPS = 5  # why\n\ndef f(x):\n    """More."""\n    return x + STEPS\n',
        "changed": "STEPS = 6\ndef f(x):\n    return x + STEPS\n",
    }
    versions = {}
    for name, text in code.items():
        file = tmp_path / f"{name}.py"
        file.write_text(text)
        versions[name] = source_version(str(file))
    assert versions["plain"] == versions["described"] != versions["changed"]


@pytest.mark.parametrize("name", list(MODELS))
def test_a_model_s_key_reads_all_that_its_class_is_made_of(name: str) -> None:
    files = {Path(file).stem for file in files_of(model_class(name)[0], Network)}
    own = name.replace("-", "_")
    assert files == ({own, "resnet9"} if name in ("airbench94", "resnet9-long") else {own})


@pytest.mark.parametrize("name", list(MODELS))
def test_a_model_takes_the_smallest_images_that_it_says(name: str) -> None:
    side = LEAST_SIDE[name]
    sized = {"sides": (side, side)} if name == "vit" else {}
    model = model_class(name)[0](3, 10, **sized)
    assert model(torch.zeros(2, 3, side, side)).shape == (2, 10)


def test_a_model_for_larger_images_than_the_data_sets_is_refused() -> None:
    with pytest.raises(RuntimeError, match="Output size is too small"):
        model_class("resnet9")[0](3, 10)(torch.zeros(2, 3, 24, 24))
    with pytest.raises(
        InvalidValue, match=r"images are 8 pixels wide.* valid: resnet18, small-cnn"
    ):
        Task.named("digits-class:1", "resnet9").load()
