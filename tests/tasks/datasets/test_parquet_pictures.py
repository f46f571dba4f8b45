"""CIFAR-10 as Hugging Face's Parquet files, and what only looks like it."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pictures import same, write_parquet
from PIL import Image

from tasks.datasets.cifar10 import CLASSES, load_cifar10
from tasks.datasets.dataset import LabelledImages
from tasks.errors import InvalidValue

Parts = dict[str, LabelledImages]


def test_parquet_of_hugging_face(machine_cache: Path, hugging_face: Path, parts: Parts) -> None:
    dataset = load_cifar10(hugging_face)
    assert same(dataset.train, parts["train"])
    assert same(dataset.held_out, parts["test"])
    assert "Parquet" in dataset.source
    assert dataset.classes == CLASSES


def test_parquet_whose_column_is_called_image(
    machine_cache: Path, tmp_path: Path, parts: Parts
) -> None:
    for split, data in parts.items():
        write_parquet(tmp_path / "hub" / f"{split}.parquet", data, column="image")
    dataset = load_cifar10(tmp_path / "hub")
    assert same(dataset.train, parts["train"])
    assert same(dataset.held_out, parts["test"])


def test_parquet_of_jpegs_is_decoded_to_rgb(machine_cache: Path, tmp_path: Path) -> None:
    """A grey JPEG too has three channels."""
    rows = []
    for mode in ("RGB", "L"):
        buffer = io.BytesIO()
        Image.new(mode, (32, 32), (200, 100, 50) if mode == "RGB" else 80).save(buffer, "JPEG")
        rows.append({"bytes": buffer.getvalue()})
    for split in ("train", "test"):
        pq.write_table(pa.table({"img": rows, "label": [1, 2]}), tmp_path / f"{split}.parquet")
    images = load_cifar10(tmp_path).train.images.astype(int)
    assert abs(images[0].mean((1, 2)) - (200, 100, 50)).max() < 4
    assert abs(images[1].mean((1, 2)) - 80).max() < 4


def test_a_damaged_parquet_file_is_refused_by_name(machine_cache: Path, hugging_face: Path) -> None:
    file = next(hugging_face.glob("**/train-00001*"))
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(InvalidValue, match=r"train-00001-of-00002\.parquet"):
        load_cifar10(hugging_face)


def test_parquet_of_another_data_set_is_refused(machine_cache: Path, tmp_path: Path) -> None:
    for split in ("train", "test"):
        pq.write_table(pa.table({"text": ["a"], "fine_label": [1]}), tmp_path / f"{split}.parquet")
    with pytest.raises(InvalidValue, match=r"train\.parquet"):
        load_cifar10(tmp_path)


@pytest.mark.parametrize("size", [(28, 28), (32, 33)])
def test_pictures_of_another_size_are_refused(
    machine_cache: Path, hugging_face: Path, size: tuple[int, int]
) -> None:
    """In a file of their own, and among CIFAR-10's."""
    buffer = io.BytesIO()
    Image.new("L", size).save(buffer, "PNG")
    table = pa.table({"image": [{"bytes": buffer.getvalue()}] * 20, "label": list(range(10)) * 2})
    file = next(hugging_face.glob("**/train-00001*"))
    pq.write_table(table, file)
    with pytest.raises(InvalidValue, match=r"train-00001-of-00002\.parquet.*not CIFAR-10"):
        load_cifar10(hugging_face)


@pytest.mark.parametrize("label", [-1, 10])
def test_labels_of_more_classes_are_refused(
    machine_cache: Path, tmp_path: Path, parts: Parts, label: int
) -> None:
    parts["test"].labels[3] = label
    for split, data in parts.items():
        write_parquet(tmp_path / f"{split}.parquet", data)
    with pytest.raises(InvalidValue, match=r"the test split of .* is not CIFAR-10: its labels"):
        load_cifar10(tmp_path)


def test_a_copy_further_down_does_not_double_the_data(
    machine_cache: Path, hugging_face: Path, parts: Parts
) -> None:
    shutil.copytree(hugging_face / "plain_text", hugging_face / "plain_text" / "backup")
    for split, data in parts.items():
        write_parquet(hugging_face / "old" / split / f"{split}.parquet", data)
    dataset = load_cifar10(hugging_face)
    assert same(dataset.train, parts["train"])
    assert same(dataset.held_out, parts["test"])


def test_two_copies_side_by_side_are_refused_by_name(
    machine_cache: Path, hugging_face: Path
) -> None:
    shutil.copytree(hugging_face / "plain_text", hugging_face / "copy")
    with pytest.raises(InvalidValue) as raised:
        load_cifar10(hugging_face)
    for folder in ("plain_text", "copy"):
        assert str(hugging_face / folder) in str(raised.value)


def test_the_splits_may_have_a_folder_each(
    machine_cache: Path, tmp_path: Path, parts: Parts
) -> None:
    for split, data in parts.items():
        write_parquet(tmp_path / split / f"{split}.parquet", data)
    assert same(load_cifar10(tmp_path).held_out, parts["test"])
