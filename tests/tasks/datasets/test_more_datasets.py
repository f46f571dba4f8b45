"""CIFAR-100, its superclasses, Fashion-MNIST and archives, from small files in their formats."""

from __future__ import annotations

import gzip
import os
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest
from pictures import encode_picture, pictures, same, write_rows

from orchestrator.sweeps.single_trial import SingleTrial
from tasks.datasets import cifar10, fashion_mnist, load_dataset
from tasks.datasets.cifar100 import ARCHIVE, CLASSES, FOLDER, SUPERCLASSES
from tasks.datasets.dataset import LabelledImages
from tasks.datasets.options import DataOptions
from tasks.errors import DatasetNotFound, InvalidValue

Parts = dict[str, LabelledImages]


@pytest.fixture
def hundred(machine_cache: Path, tmp_path: Path) -> Path:
    """CIFAR-100's folder with 200 training and 100 test pictures, two and one of each class."""
    folder = tmp_path / "hundred"
    write_hundred(folder / FOLDER, list(CLASSES))
    return folder


def write_hundred(folder: Path, names: list[str], *, train: int = 200, test: int = 100) -> None:
    """Pickles in the keys and types of the published ones, whose files have Python 2's texts."""
    folder.mkdir(parents=True)
    for split, count in (("train", train), ("test", test)):
        data = pictures(count, count).images.reshape(count, -1)
        rows = {"data": data, "fine_labels": [n % 100 for n in range(count)], "coarse_labels": []}
        (folder / split).write_bytes(pickle.dumps(rows, protocol=2))
    (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": names}, protocol=2))


def test_there_are_twenty_superclasses_of_five() -> None:
    assert len(SUPERCLASSES) == 20
    assert {len(names) for names in SUPERCLASSES.values()} == {5}
    assert len(set(CLASSES)) == 100
    assert [CLASSES.index(name) for name in ("apple", "rocket", "worm")] == [0, 69, 99]
    assert list(SUPERCLASSES).index("vehicles_2") == 19


def test_the_pickles_of_cifar100(hundred: Path) -> None:
    data = load_dataset("cifar100", hundred)
    assert data.train.images.shape == (200, 3, 32, 32)
    assert np.array_equal(data.train.images, pictures(200, 200).images)
    assert data.train.labels.tolist() == [n % 100 for n in range(200)]
    assert "of CIFAR-100's 50,000 train images only 200" in data.source


def test_the_superclasses_are_its_classes_and_the_hundred_its_subclasses(hundred: Path) -> None:
    fine, coarse = load_dataset("cifar100", hundred), load_dataset("cifar20", hundred)
    assert len(coarse.classes) == 20
    assert np.bincount(coarse.train.labels).tolist() == [10] * 20
    rocket = fine.train.labels == CLASSES.index("rocket")
    assert {coarse.classes[n] for n in coarse.train.labels[rocket]} == {"vehicles_2"}
    assert coarse.subclasses == CLASSES
    assert np.array_equal(coarse.train.subclasses, fine.train.labels)
    assert np.array_equal(coarse.train.images, fine.train.images)


def test_every_form_of_cifar100_is_the_same_data(
    hundred: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = load_dataset("cifar100", hundred)
    packed = tmp_path / "packed"
    packed.mkdir()
    with tarfile.open(packed / ARCHIVE, "w:gz") as archive:
        archive.add(hundred / FOLDER, FOLDER)
    assert load_dataset("cifar100", packed).fingerprint == data.fingerprint
    backwards = list(reversed(CLASSES))
    for split, part in (("train", data.train), ("test", data.held_out)):
        write_rows(
            tmp_path / "hub" / f"{split}.parquet",
            [99 - label for label in part.labels.tolist()],
            rows=[{"bytes": png, "path": None} for png in encode(part)],
            column="fine_label",
            names=backwards,
        )
    assert load_dataset("cifar100", tmp_path / "hub").fingerprint == data.fingerprint


def encode(part: LabelledImages) -> list[bytes]:
    """The pictures as PNG."""
    return [encode_picture(image) for image in part.images]


def test_other_names_and_other_pickles_are_refused(hundred: Path, tmp_path: Path) -> None:
    write_hundred(tmp_path / "other" / FOLDER, [f"thing {n}" for n in range(100)])
    with pytest.raises(InvalidValue, match="is not CIFAR-100: it names thing 0"):
        load_dataset("cifar100", tmp_path / "other")
    (hundred / FOLDER / "train").write_bytes(b"\x80\x02garbage")
    with pytest.raises(InvalidValue, match="damaged"):
        load_dataset("cifar100", hundred)


def test_a_pickle_that_runs_code_does_not(hundred: Path, tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> object:
            return os.mkdir, (str(tmp_path / "harmed"),)

    (hundred / FOLDER / "train").write_bytes(pickle.dumps(Harmful()))
    with pytest.raises(InvalidValue, match="mkdir"):
        load_dataset("cifar100", hundred)
    assert not (tmp_path / "harmed").exists()


def test_what_is_missing_says_what_was_looked_for(machine_cache: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFound, match=r"cifar-100-python\.tar\.gz"):
        load_dataset("cifar100", tmp_path)


def test_the_archive_of_cifar10_is_read_where_it_lies(
    machine_cache: Path, tmp_path: Path, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_ten(tmp_path / "made", list(cifar10.CLASSES), parts)
    folder = tmp_path / "archive"
    folder.mkdir()
    with tarfile.open(folder / cifar10.ARCHIVE, "w:gz") as archive:
        archive.add(tmp_path / "made", cifar10.TORCHVISION_FOLDER)
    data = load_dataset("cifar10", folder)
    assert same(data.train, parts["train"])
    assert same(data.held_out, parts["test"])
    assert [file.name for file in folder.iterdir()] == [cifar10.ARCHIVE]


def write_ten(folder: Path, names: list[str], parts: Parts) -> None:
    folder.mkdir()
    for split, files in cifar10.BATCHES.items():
        images, labels = parts[split].images, parts[split].labels
        for file, rows, own in zip(
            files,
            np.array_split(images, len(files)),
            np.array_split(labels, len(files)),
            strict=True,
        ):
            content = {"data": rows.reshape(len(rows), -1), "labels": own.tolist()}
            (folder / file).write_bytes(pickle.dumps(content, protocol=2))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": names}, protocol=2))


def test_a_copy_in_the_cache_of_the_hub_comes_before_a_download(
    machine_cache: Path, tmp_path: Path, parts: Parts
) -> None:
    """`machine_cache` moves ~/.cache, which holds the hub's too."""
    hub = tmp_path / "cache" / "huggingface" / "hub" / "datasets--uoft-cs--cifar10"
    (hub / "refs").mkdir(parents=True)
    (hub / "refs" / "main").write_text("abc")
    for split, part in parts.items():
        write_rows(
            hub / "snapshots" / "abc" / "plain_text" / f"{split}-00000-of-00001.parquet",
            part.labels.tolist(),
            rows=[{"bytes": png, "path": None} for png in encode(part)],
            names=list(cifar10.CLASSES),
        )
    data = load_dataset("cifar10", tmp_path / "nothing")
    assert same(data.train, parts["train"])
    assert str(hub) in data.source


def write_idx(path: Path, values: np.ndarray, *, packed: bool) -> None:
    """Write LeCun's format: two zeros, 8 for bytes, the rank, big-endian sizes, the values."""
    path.parent.mkdir(parents=True, exist_ok=True)
    head = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}i", *values.shape)
    content = head + values.astype(np.uint8).tobytes()
    path.with_name(path.name + ".gz" if packed else path.name).write_bytes(
        gzip.compress(content) if packed else content
    )


def write_clothes(
    folder: Path,
    *,
    count: int = 40,
    test: int = 20,
    level: int | None = None,
    packed: bool = True,
) -> Path:
    """Write the four files; the pictures are random, or all of one grey `level`."""
    rng = np.random.default_rng(0)
    for prefix, number in (("train", count), ("t10k", test)):
        shape = (number, 28, 28)
        images = rng.integers(0, 256, shape) if level is None else np.full(shape, level)
        write_idx(folder / f"{prefix}-images-idx3-ubyte", images, packed=packed)
        write_idx(folder / f"{prefix}-labels-idx1-ubyte", np.arange(number) % 10, packed=packed)
    return folder


@pytest.mark.parametrize("packed", [True, False], ids=["gzip", "plain"])
@pytest.mark.parametrize("below", ["", "FashionMNIST/raw"], ids=["here", "torchvision's"])
def test_the_idx_files_of_fashion_mnist(
    machine_cache: Path, tmp_path: Path, packed: bool, below: str
) -> None:
    write_clothes(tmp_path / below, packed=packed)
    data = load_dataset("fashion-mnist", tmp_path)
    assert data.train.images.shape == (40, 1, 28, 28)
    expected = np.random.default_rng(0).integers(0, 256, (40, 28, 28))
    assert np.array_equal(data.train.images[:, 0], expected)
    assert data.train.labels.tolist() == [n % 10 for n in range(40)]
    assert data.classes[5] == "Sandal"
    assert "name no classes" in data.source


def test_debians_copy_is_found_without_being_named(
    machine_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fashion_mnist, "DEBIAN", write_clothes(tmp_path / "debian"))
    assert str(tmp_path / "debian") in load_dataset("fashion-mnist", tmp_path / "none").source


def test_without_it_the_package_is_named(
    machine_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "debian")
    with pytest.raises(DatasetNotFound, match="apt-get install dataset-fashion-mnist"):
        load_dataset("fashion-mnist", tmp_path)


def test_mnist_is_not_taken_for_it(machine_cache: Path, tmp_path: Path) -> None:
    """It has the same files and shapes; its mean is .131, not .286."""
    write_clothes(tmp_path, count=5_000, level=round(0.1307 * 255))
    with pytest.raises(InvalidValue, match=r"is not Fashion-MNIST: .* mean of 0\.129, not 0\.286"):
        load_dataset("fashion-mnist", tmp_path)


def test_a_damaged_idx_file_is_refused_by_name(machine_cache: Path, tmp_path: Path) -> None:
    write_clothes(tmp_path, packed=False)
    file = tmp_path / "t10k-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(
        InvalidValue, match=r"t10k-images-idx3-ubyte .*15679 bytes instead of 15680"
    ):
        load_dataset("fashion-mnist", tmp_path)


@pytest.mark.skipif(
    not fashion_mnist.DEBIAN.is_dir(), reason="needs Debian's package dataset-fashion-mnist"
)
def test_the_real_fashion_mnist(machine_cache: Path, tmp_path: Path) -> None:
    data = load_dataset("fashion-mnist", tmp_path)
    assert np.bincount(data.train.labels).tolist() == [6000] * 10
    assert data.train.images.mean() / 255 == pytest.approx(0.28604, abs=1e-5)
    assert "only" not in data.source


@pytest.mark.parametrize(
    ("task", "options"),
    [
        ("cifar100-random:0.1", {}),
        ("cifar20-class:people", {}),
        ("fashion-mnist-class:Sandal", {}),
        ("parquet-class:ash", {"label_column": "tree", "image_size": 16}),
        ("folder-random:0.2", {"image_size": 16}),
    ],
)
def test_a_trial_runs_on_each_data_set(
    machine_cache: Path, tmp_path: Path, task: str, options: dict[str, object]
) -> None:
    folder = tmp_path / "data"
    if task.startswith("cifar"):
        write_hundred(folder / FOLDER, list(CLASSES), train=400, test=400)
    elif task.startswith("fashion"):
        write_clothes(folder, count=200, test=200)
    elif task.startswith("parquet"):
        write_rows(folder / "train.parquet", ["ash", "oak"] * 50, column="tree", sizes=[(20, 24)])
    else:
        for name in ("ash", "oak"):
            for number in range(60):
                write_picture(folder / name / f"{number}.jpg", number)
    trial = SingleTrial(
        task=task, unlearner="ssd", params={}, data_dir=folder, options=DataOptions(**options),  # type: ignore[arg-type]
        model="small-cnn", device="cpu", storage=str(tmp_path / "storage"), references=0,
    )  # fmt: skip
    said: list[str] = []
    (row,) = trial.run(said.append, lambda *progress: None)
    assert 0 <= row["test_accuracy_retained"] <= 1
    assert row["mia_class_matched_accuracy"] is not None
    assert str(folder) in said[0]


def write_picture(path: Path, seed: int) -> None:
    """A JPEG of random pixels, of one of two sizes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (3, 20 + seed % 2, 24), dtype=np.uint8)
    path.write_bytes(encode_picture(image, "JPEG"))
