"""Data are what their files say they are: class names, types of labels, whole pictures, brightness."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pictures import encode_picture, pictures, same, write_parquet, write_rows

from tasks.datasets.cifar10 import CLASSES, load_cifar10
from tasks.datasets.dataset import Dataset, LabelledImages, check_dataset
from tasks.errors import InvalidValue
from tasks.task import Task

DIGITS = [str(number) for number in range(10)]


def write_both(folder: Path, labels: list[object], **how: object) -> Path:
    """The same rows as a train and as a test split."""
    for split in ("train", "test"):
        write_rows(folder / f"{split}.parquet", labels, **how)  # type: ignore[arg-type]
    return folder


def refusal(folder: Path) -> str:
    """The one line with which CIFAR-10 is refused."""
    with pytest.raises(InvalidValue) as raised:
        load_cifar10(folder)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_another_data_set_of_the_same_shape_is_refused_by_its_class_names(
    machine_cache: Path, tmp_path: Path
) -> None:
    """SVHN: ten classes, 32x32 in colour."""
    said = refusal(write_both(tmp_path, [n % 10 for n in range(20)], names=DIGITS))
    assert "is not CIFAR-10" in said
    assert "train.parquet" in said
    assert "airplane" in said
    assert "parquet-class:NAME" in said


def test_class_names_in_another_order_are_matched_by_name(
    machine_cache: Path, tmp_path: Path
) -> None:
    """The files' 0 is "truck", CIFAR-10's 9."""
    backwards = list(reversed(CLASSES))
    data = load_cifar10(write_both(tmp_path, [n % 10 for n in range(20)], names=backwards))
    assert data.train.labels.tolist() == [9 - n % 10 for n in range(20)]
    assert "name no classes" not in data.source


def test_labels_as_texts_are_matched_by_name(machine_cache: Path, tmp_path: Path) -> None:
    texts = [CLASSES[n % 10].upper() for n in range(20)]
    data = load_cifar10(write_both(tmp_path, texts))
    assert data.train.labels.tolist() == [n % 10 for n in range(20)]


@pytest.mark.parametrize(
    ("labels", "part"),
    [
        ([[n] for n in range(20)], "list"),
        ([n + 0.5 for n in range(20)], "double"),
        ([n % 10 + 0.0 for n in range(20)], "double"),
        ([n > 4 for n in range(20)], "bool"),
        ([*range(7), None, *range(7)], "row 7 "),
        (["airplane"] * 3 + ["lorry"], "lorry"),
    ],
    ids=["lists", "halves", "floats", "booleans", "null", "unknown name"],
)
def test_labels_of_another_kind_are_refused_in_one_line(
    machine_cache: Path, tmp_path: Path, labels: list[object], part: str
) -> None:
    said = refusal(write_both(tmp_path, labels))
    assert part in said
    assert "train.parquet" in said


def test_a_number_beyond_the_names_is_refused(machine_cache: Path, tmp_path: Path) -> None:
    assert "0..10" in refusal(write_both(tmp_path, list(range(11)), names=list(CLASSES)))


def test_an_empty_split_is_refused(machine_cache: Path, tmp_path: Path) -> None:
    write_rows(tmp_path / "train.parquet", list(range(10)))
    empty = write_rows(tmp_path / "test.parquet", [0])
    pq.write_table(pq.read_table(empty).slice(0, 0), empty)
    assert "test.parquet holds no rows" in refusal(tmp_path)


@pytest.mark.parametrize(
    "damaged",
    [b"no picture", encode_picture(pictures(1, 0).images[0])[:200], b"", None],
    ids=["text", "cut off", "nothing", "null"],
)
def test_a_damaged_picture_is_refused_by_file_and_row(
    machine_cache: Path, tmp_path: Path, damaged: bytes | None
) -> None:
    whole = encode_picture(pictures(1, 0).images[0])
    rows = [{"bytes": whole, "path": None} for _ in range(20)]
    rows[13] = {"bytes": damaged, "path": "13.png"}
    said = refusal(write_both(tmp_path, [n % 10 for n in range(20)], rows=rows))
    assert "train.parquet, row 13 " in said


def test_more_images_than_there_are_are_refused(machine_cache: Path, tmp_path: Path) -> None:
    """A test split of 10,010 images: some copy was added to it."""
    one = {"bytes": encode_picture(pictures(1, 0).images[0]), "path": None}
    write_rows(tmp_path / "train.parquet", list(range(10)))
    write_rows(tmp_path / "test.parquet", [n % 10 for n in range(10_010)], rows=[one] * 10_010)
    assert "is not CIFAR-10: it has 10,010 images, not 10,000" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("mean", "known"),
    [((0.4914, 0.4822, 0.4465), True), ((0.4377, 0.4438, 0.4728), False)],
    ids=["CIFAR-10's", "SVHN's"],
)
def test_many_nameless_images_are_told_by_their_brightness(
    machine_cache: Path, tmp_path: Path, mean: tuple[float, ...], known: bool
) -> None:
    colour = np.round(np.array(mean) * 255).astype(np.uint8)
    image = np.broadcast_to(colour[:, None, None], (3, 32, 32))
    one = {"bytes": encode_picture(image), "path": None}
    labels = [n % 10 for n in range(5_000)]
    write_rows(tmp_path / "train.parquet", labels, rows=[one] * len(labels))
    write_rows(tmp_path / "test.parquet", labels[:20], rows=[one] * 20)
    if known:
        assert "name no classes" not in load_cifar10(tmp_path).source
    else:
        assert "0.439, 0.443, 0.475, not 0.491" in refusal(tmp_path)


def test_few_nameless_images_are_read_with_a_remark(machine_cache: Path, tmp_path: Path) -> None:
    source = load_cifar10(write_both(tmp_path, [n % 10 for n in range(20)])).source
    assert "name no classes" in source


def test_names_that_come_to_a_file_are_read_at_once(machine_cache: Path, tmp_path: Path) -> None:
    """The decoded copy is not that of the file without them."""
    labels = [n % 10 for n in range(20)]
    load_cifar10(write_both(tmp_path, labels))
    before = (tmp_path / "train.parquet").stat()
    write_both(tmp_path, labels, names=list(reversed(CLASSES)))
    assert (tmp_path / "train.parquet").stat().st_size != before.st_size
    assert load_cifar10(tmp_path).train.labels[0] == 9


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("train-lacks", "no training example of class 'automobile'"),
        ("train-11", "5 of either"),
        ("test-lacks", "automobile"),
        ("test-has-one-class", "held-out data have 0"),
    ],
)
def test_what_attack_and_metrics_need_is_checked_where_the_data_are_read(
    machine_cache: Path, tmp_path: Path, name: str, part: str
) -> None:
    whole = [n % 10 for n in range(300)]
    lacking = [n for n in whole if n != 1]
    train = {"train-lacks": lacking, "train-11": lacking + [1] * 11}.get(name, whole)
    test = {"test-lacks": lacking, "test-has-one-class": [1] * 60}.get(name, whole)
    for split, labels in (("train", train), ("test", test)):
        write_parquet(
            tmp_path / f"{split}.parquet",
            LabelledImages(pictures(len(labels), 0).images, np.array(labels)),
        )
    with pytest.raises(InvalidValue) as raised:
        Task.named("cifar10-class:automobile", "small-cnn").load(tmp_path)
    assert part in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("images", "labels", "part"),
    [
        (np.zeros((0, 1, 8, 8), np.uint8), np.zeros(0, np.int64), "is empty"),
        (np.zeros((5, 1, 8, 8), np.float32), np.zeros(5, np.int64), "uint8"),
        (np.zeros((5, 1, 8, 8), np.uint8), np.zeros(4, np.int64), "5 images and 4 labels"),
        (np.zeros((5, 1, 8, 8), np.uint8), np.full(5, 10), "labels 10..10, not 0..9"),
        (np.zeros((5, 1, 9, 8), np.uint8), np.zeros(5, np.int64), "held-out ones (1, 8, 8)"),
    ],
)
def test_a_plug_ins_data_are_checked_too(
    digits: Dataset, images: np.ndarray, labels: np.ndarray, part: str
) -> None:
    from dataclasses import replace

    with pytest.raises(InvalidValue) as raised:
        check_dataset(replace(digits, train=LabelledImages(images, labels)))
    assert part in str(raised.value)


def test_columns_of_no_labels_list_what_there_is(machine_cache: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"img": [b""], "klass": [1]}), tmp_path / "train.parquet")
    pq.write_table(pa.table({"img": [b""], "klass": [1]}), tmp_path / "test.parquet")
    assert "valid for --label-column: img, klass" in refusal(tmp_path)


@pytest.mark.skipif(
    "CIFAR10_DIR" not in os.environ, reason="set CIFAR10_DIR to a folder that holds CIFAR-10"
)
def test_the_real_cifar10_is_told_from_svhn(machine_cache: Path) -> None:
    source = load_cifar10(Path(os.environ["CIFAR10_DIR"])).source
    assert "only" not in source
    assert "name no classes" not in source


def test_nothing_of_the_pictures_changes(machine_cache: Path, tmp_path: Path) -> None:
    data = pictures(20, 3)
    for split in ("train", "test"):
        write_parquet(tmp_path / f"{split}.parquet", data)
    assert same(load_cifar10(tmp_path).train, data)
