"""An original model that the user gives as a file: read, fitted, hashed, measured, kept."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tasks.artifacts import ArtifactCache
from tasks.datasets.dataset import Dataset, LabelledImages
from tasks.errors import InvalidValue
from tasks.models import build_model
from tasks.models.checkpoint import fit_weights, hash_weights, read_weights
from tasks.models.given_original import adopt_original, measure_accuracy
from tasks.roles import ORIGINAL, RETRAINED
from tasks.shadows.models import find_key
from tasks.task import Task
from tasks.trial import baseline_point
from tasks.workbench import Workbench

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def state(bench: Workbench) -> dict[str, torch.Tensor]:
    """The weights of a model that was trained on the digits."""
    return bench.artifact(ORIGINAL).state


@pytest.fixture
def file(tmp_path: Path, state: dict[str, torch.Tensor]) -> Path:
    """Them in a file."""
    torch.save(state, tmp_path / "own.pt")
    return tmp_path / "own.pt"


def adopt(
    task: str, file: Path, digits: Dataset, model: str = "small-cnn", known: str | None = None
) -> tuple[Task, list[str]]:
    """Adopt a file beside it; returns the task and what was told."""
    told: list[str] = []
    named = Task.named(task, model)
    return adopt_original(
        named, digits, file, str(file.parent / "artifacts"), told.append, known
    ), told


def test_the_hash_is_that_of_names_dtypes_shapes_and_bytes() -> None:
    weights = {"w": torch.tensor([[1.0, 2.0]]), "n": torch.tensor(3)}
    by_hand = b"n torch.int64 ()\0" + np.int64(3).tobytes()
    by_hand += b"w torch.float32 (1, 2)\0" + np.array([1, 2], np.float32).tobytes()
    assert hash_weights(weights) == hashlib.sha256(by_hand).hexdigest()[:16]
    turned = {"w": torch.tensor([[1.0], [2.0]]).T, "n": torch.tensor(3)}
    assert hash_weights(turned) == hash_weights(weights), "the layout in memory is no content"
    assert hash_weights({**weights, "n": torch.tensor(4)}) != hash_weights(weights)


def test_all_formats_and_wrappings_give_the_same_weights(
    tmp_path: Path, state: dict[str, torch.Tensor], digits: Dataset
) -> None:
    expected = build_model("small-cnn", digits, CPU).state_dict()
    wrapped = {f"module.{name}": tensor for name, tensor in state.items()}
    torch.save(state, tmp_path / "plain.pt")
    torch.save({"epoch": 3, "state_dict": wrapped}, tmp_path / "wrapped.pth")
    save_file({n: t.contiguous() for n, t in state.items()}, tmp_path / "other.safetensors")
    found = {
        hash_weights(fit_weights(read_weights(path), expected, "x")) for path in tmp_path.iterdir()
    }
    assert found == {hash_weights(state)}


def test_names_within_the_only_module_of_a_model_will_do(digits: Dataset) -> None:
    expected = build_model("resnet18", digits, CPU).state_dict()
    inner = {name.removeprefix("body."): tensor for name, tensor in expected.items()}
    assert list(fit_weights(inner, expected, "x")) == list(expected)


class Evil:
    """Runs code where it is unpickled without care."""

    def __reduce__(self) -> tuple[Callable[..., None], tuple[str]]:
        return exec, ("raise SystemExit('run')",)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"head.weight": torch.zeros(7, 128)}, r"it lacks .* and \d+ more; head.weight is \(7, 128\), not \(10, 128\)"),
        ({"fc.weight": torch.zeros(2)}, "it has besides fc.weight"),
        ({"weights": [1, 2]}, "holds no state dict"),
        (Evil(), "cannot be read as weights"),
        (b"", "cannot be read as weights"),
        (b"hello\n", "neither torch.save nor safetensors wrote it"),
    ],
    ids=["shape", "name", "no tensors", "code", "empty", "text"],
)  # fmt: skip
def test_what_does_not_fit_is_one_line(
    content: object, said: str, tmp_path: Path, digits: Dataset
) -> None:
    file = tmp_path / "own.pt"
    file.write_bytes(content) if isinstance(content, bytes) else torch.save(content, file)
    with pytest.raises(InvalidValue, match=said) as raised:
        adopt("digits-class:1", file, digits)
    assert "\n" not in str(raised.value)
    assert str(file) in str(raised.value)


def test_weights_that_are_not_finite_are_refused(
    file: Path, state: dict[str, torch.Tensor], digits: Dataset
) -> None:
    torch.save({**state, "head.bias": torch.full((10,), torch.nan)}, file)
    with pytest.raises(InvalidValue, match=r"not finite: head\.bias"):
        adopt("digits-class:1", file, digits)


def test_its_accuracy_is_told_and_its_weights_are_kept(
    file: Path, state: dict[str, torch.Tensor], digits: Dataset
) -> None:
    task, (line,) = adopt("digits-class:1", file, digits)
    model = build_model("small-cnn", digits, CPU, torch.float32)
    model.load_state_dict(state)
    accuracy, count = measure_accuracy(model, digits)
    images = (torch.from_numpy(digits.held_out.images).float() / 255 - 0.287) / 0.354
    with torch.no_grad():
        by_hand = (model.eval()(images).argmax(1).numpy() == digits.held_out.labels).mean()
    assert (accuracy, count) == (pytest.approx(by_hand), 599)
    assert accuracy > 0.9
    assert (
        line
        == f"original model: {file} ({hash_weights(state)}), accuracy {accuracy:.4f} on 599 held-out images"
    )
    assert task.original is not None
    kept = ArtifactCache(file.parent / "artifacts").load(task.original.key)
    assert kept is not None
    assert kept.record is None
    assert all(torch.equal(kept.state[name], state[name]) for name in state)


def test_an_accuracy_near_chance_is_warned_of(
    file: Path, state: dict[str, torch.Tensor], digits: Dataset
) -> None:
    torch.save({**state, "head.weight": state["head.weight"].roll(1, 0)}, file)
    _, (_, notice) = adopt("digits-class:1", file, digits)
    assert notice.startswith("NOTICE: that is near chance (0.1152)")


def test_the_copy_serves_when_the_file_is_gone_and_another_one_is_refused(
    file: Path, state: dict[str, torch.Tensor], digits: Dataset
) -> None:
    key = hash_weights(state)
    with pytest.raises(InvalidValue, match="there is no such file"):
        adopt("digits-class:1", file.with_name("none.pt"), digits, known=key)
    task, _ = adopt("digits-class:1", file, digits, known=key)
    torch.save({**state, "head.bias": state["head.bias"] + 1}, file)
    with pytest.raises(
        InvalidValue, match=rf"other weights \(\w+\) than the sweep began with \({key}\)"
    ):
        adopt("digits-class:1", file, digits, known=key)
    file.unlink()
    again, (notice,) = adopt("digits-class:1", file, digits, known=key)
    assert again == task
    assert "is gone; its weights are kept" in notice


def test_a_forget_set_that_changes_the_data_needs_an_original_of_its_own(
    file: Path, digits: Dataset
) -> None:
    with pytest.raises(InvalidValue, match="changes the data that the original is trained on"):
        adopt("digits-poison:100:3", file, digits)


@pytest.mark.parametrize("task", ["digits-replace:1", "digits-class:1;replace:2"])
def test_images_that_are_held_back_need_an_original_that_never_saw_them(
    task: str, file: Path, digits: Dataset
) -> None:
    with pytest.raises(InvalidValue, match="holds images back from the original") as raised:
        adopt(task, file, digits)
    assert "\n" not in str(raised.value)


def test_trials_start_from_it_and_references_are_those_of_other_sweeps(
    file: Path, state: dict[str, torch.Tensor], digits: Dataset
) -> None:
    torch.save({**state, "head.bias": state["head.bias"] + 0.25}, file)
    task, _ = adopt("digits-class:1", file, digits)
    bench = Workbench(task, digits, file.parent / "artifacts", CPU)
    plain = dataclasses.replace(task, original=None)
    here = digits, "float32", "cpu-1"
    assert task.original is not None
    assert bench.key(ORIGINAL) == task.original.key != plain.original_key(*here)
    assert bench.key(RETRAINED) == plain.retrained_key(*here)
    assert bench.task_key() != plain.key(digits), "other trials than those from a trained original"
    artifact = bench.artifact(ORIGINAL)
    model, _ = bench.model(artifact)
    assert torch.equal(model.head.bias, state["head.bias"] + 0.25)
    assert baseline_point(bench, artifact, trained_for_this=False).cost.unlearn_seconds == 0
    for need in ("checkpoints", "update_log"):
        with pytest.raises(InvalidValue, match="from the training of the original"):
            bench.artifact(need)


def test_what_is_trained_beside_it_is_named_by_all_that_decides_its_training(
    file: Path, digits: Dataset
) -> None:
    """Shards of other pictures, seeds, recipes or dtypes once had one key: the hash of the file."""
    root = str(file.parent / "artifacts")

    def keys(
        seed: int = 0, recipe: str | None = None, dtype: str = "float32", data: Dataset = digits
    ) -> list[str]:
        named = Task.named("digits-class:1", "small-cnn", seed, recipe=recipe)
        task = adopt_original(named, data, file, root, lambda line: None)
        bench = Workbench(task, data, root, CPU, dtype=dtype)
        assert task.original is not None
        assert bench.key(ORIGINAL) == task.original.key
        needs = [bench.key(name) for name in ("shards", "noisy_training")]
        return [*needs, find_key(bench, "repeat-0", 0), find_key(bench, "shadow-0", 8)]

    train = LabelledImages(digits.train.images[:900], digits.train.labels[:900])
    fewer = dataclasses.replace(digits, train=train)
    ways = [keys(), keys(1), keys(recipe="epochs=3"), keys(dtype="bfloat16"), keys(data=fewer)]
    found = [key for way in ways for key in way]
    assert len(set(found)) == len(found) == 20
    assert keys() == ways[0]


def test_shadow_models_and_repeats_are_those_of_an_original_that_is_trained(
    file: Path, digits: Dataset
) -> None:
    task, _ = adopt("digits-class:1", file, digits)
    given, trained = (
        Workbench(each, digits, file.parent / "artifacts", CPU)
        for each in (task, dataclasses.replace(task, original=None))
    )
    for role in ("repeat-0", "shadow-0"):
        assert find_key(given, role, 8) == find_key(trained, role, 8), "they never read the file"
    assert given.key("shards") != trained.key("shards"), "a need may read the weights"


def test_a_folder_is_no_file_of_weights(tmp_path: Path, digits: Dataset) -> None:
    with pytest.raises(InvalidValue, match="it is a folder"):
        adopt("digits-class:1", tmp_path, digits)
