"""Data of one's own: a folder of pictures, and Parquet files with any label column."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from pictures import encode_picture, write_rows
from PIL import Image

from tasks.datasets import load_dataset
from tasks.datasets.loaders import GPU_SHARE, choose_loader
from tasks.datasets.mapped import MappedSource
from tasks.datasets.options import DataOptions
from tasks.datasets.own.build import measure_pixels
from tasks.datasets.splits import ResidentSource
from tasks.errors import InvalidValue
from tasks.models import AUTO, build_model
from tasks.task import Task

CPU = torch.device("cpu")


def write_folder(
    folder: Path,
    classes: Sequence[str] = ("cat", "dog"),
    count: int = 40,
    size: tuple[int, int] = (12, 12),
    *,
    grey: bool = False,
) -> Path:
    """`count` random pictures in a folder for each class."""
    rng = np.random.default_rng(0)
    for name in classes:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            pixels = rng.integers(0, 256, (1 if grey else 3, *size), dtype=np.uint8)
            (folder / name / f"{number:03}.png").write_bytes(encode_picture(pixels))
    return folder


def test_two_splits_with_a_folder_for_each_class(machine_cache: Path, tmp_path: Path) -> None:
    write_folder(tmp_path / "train", count=30)
    write_folder(tmp_path / "test", count=10)
    data = load_dataset("folder", tmp_path)
    assert data.classes == ("cat", "dog")
    assert data.train.images.shape == (60, 3, 12, 12)
    assert data.train.labels.tolist() == [0] * 30 + [1] * 30
    assert len(data.held_out) == 20
    with Image.open(tmp_path / "train" / "dog" / "007.png") as picture:
        assert np.array_equal(data.train.images[37].transpose(1, 2, 0), np.asarray(picture))


def test_one_folder_is_split_by_class_and_always_alike(machine_cache: Path, tmp_path: Path) -> None:
    data = load_dataset("folder", write_folder(tmp_path))
    assert np.bincount(data.train.labels).tolist() == [30, 30]
    assert np.bincount(data.held_out.labels).tolist() == [10, 10]
    seen = {image.tobytes() for image in data.train.images}
    assert not seen & {image.tobytes() for image in data.held_out.images}
    assert load_dataset("folder", tmp_path).fingerprint == data.fingerprint
    assert "a seeded quarter of each class held out (20 images)" in data.source


def test_pictures_of_many_sizes_are_scaled_and_their_middle_is_kept(
    machine_cache: Path, tmp_path: Path
) -> None:
    """A picture of 40x20 with a white middle and black edges: no edge is left."""
    write_folder(tmp_path, size=(20, 20))
    wide = np.zeros((20, 40, 3), np.uint8)
    wide[:, 8:32] = 255
    Image.fromarray(wide).save(tmp_path / "cat" / "000.png")
    with pytest.raises(InvalidValue) as raised:
        load_dataset("folder", tmp_path)
    assert "001.png: a picture of 20x20 pixels, not 40x20; --image-size" in str(raised.value)
    data = load_dataset("folder", tmp_path, DataOptions(image_size=10))
    everything = np.concatenate([data.train.images, data.held_out.images])
    assert everything.shape == (80, 3, 10, 10)
    assert (everything == 255).all((1, 2, 3)).sum() == 1


def test_each_size_has_a_decoded_copy_of_its_own(machine_cache: Path, tmp_path: Path) -> None:
    write_folder(tmp_path)
    sides = [load_dataset("folder", tmp_path, DataOptions(image_size=s)).sides for s in (8, 6, 8)]
    assert sides == [(8, 8), (6, 6), (8, 8)]


def test_grey_pictures_have_one_channel_unless_some_are_in_colour(
    machine_cache: Path, tmp_path: Path
) -> None:
    write_folder(tmp_path / "train", grey=True)
    write_folder(tmp_path / "test", grey=True)
    assert load_dataset("folder", tmp_path).channels == 1
    write_folder(tmp_path / "test", ("dog",), 3)
    mixed = load_dataset("folder", tmp_path)
    assert mixed.channels == 3
    assert np.array_equal(mixed.train.images[:, 0], mixed.train.images[:, 2])


def test_a_photograph_is_turned_upright(machine_cache: Path, tmp_path: Path) -> None:
    """A camera notes how it was held: 6 means that the top of the picture is at the right."""
    write_folder(tmp_path, size=(8, 8))
    lying = Image.fromarray(
        np.repeat(np.arange(8, dtype=np.uint8)[None, :, None] * 30, 8, 0).repeat(3, 2)
    )
    exif = Image.Exif()
    exif[0x0112] = 6
    lying.save(tmp_path / "cat" / "000.png", exif=exif)
    data = load_dataset("folder", tmp_path)
    everything = np.concatenate([data.train.images, data.held_out.images])
    upright = np.repeat(np.arange(8, dtype=np.uint8)[:, None] * 30, 8, 1)
    assert sum(np.array_equal(image[0], upright) for image in everything) == 1


@pytest.mark.parametrize(
    ("damage", "part"),
    [
        (lambda f: (f / "train" / "cat" / "007.png").write_bytes(b"\x89PNG"), "007.png: no picture"),
        (lambda f: [p.unlink() for p in (f / "test" / "dog").iterdir()], "has no pictures of dog"),
        (lambda f: write_folder(f / "test", ("cow",), 2), "train has no pictures of cow"),
        (lambda f: (f / "test").rename(f / "rest"), "of train and test both are needed"),
        (lambda f: Image.fromarray(np.zeros((12, 12), np.uint16)).save(f / "train/cat/001.png"), "more than 8 bits"),
    ],
    ids=["damaged picture", "class lacks test", "class lacks train", "no test", "16 bits"],
)  # fmt: skip
def test_a_folder_that_is_wrong_is_one_line(
    machine_cache: Path,
    tmp_path: Path,
    damage: object,
    part: str,
) -> None:
    for split in ("train", "test"):
        write_folder(tmp_path / split, count=10)
    damage(tmp_path)  # type: ignore[operator]
    with pytest.raises(InvalidValue) as raised:
        load_dataset("folder", tmp_path)
    assert part in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["folder", "parquet"])
def test_ones_own_data_need_their_folder(machine_cache: Path, name: str) -> None:
    with pytest.raises(InvalidValue, match="needs --data-dir"):
        load_dataset(name, None)


def test_too_few_pictures_are_said(machine_cache: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="class cat has 3 images"):
        load_dataset("folder", write_folder(tmp_path, count=3))
    with pytest.raises(InvalidValue, match="has 1 class"):
        load_dataset("folder", write_folder(tmp_path / "alone", ("cat",)))


@pytest.mark.parametrize(
    ("labels", "names", "classes"),
    [
        (["oak", "ash", "oak", "elm"] * 10, None, ("ash", "elm", "oak")),
        ([2, 0, 2, 1] * 10, ["ash", "elm", "oak"], ("ash", "elm", "oak")),
        ([2, 0, 2, 1] * 10, None, ("0", "1", "2")),
    ],
    ids=["texts", "named numbers", "numbers"],
)
def test_parquet_with_a_label_column_of_any_name(
    machine_cache: Path,
    tmp_path: Path,
    labels: list[object],
    names: list[str] | None,
    classes: tuple[str, ...],
) -> None:
    for split in ("train", "validation"):
        write_rows(tmp_path / f"{split}.parquet", labels, column="tree", names=names)
    data = load_dataset("parquet", tmp_path, DataOptions(label_column="tree"))
    assert data.classes == classes
    assert data.train.labels[:4].tolist() == [2, 0, 2, 1]
    assert len(data.held_out) == 40
    with pytest.raises(InvalidValue, match="valid for --label-column: img, tree"):
        load_dataset("parquet", tmp_path)


def test_parquet_of_many_sizes_and_of_a_single_split(machine_cache: Path, tmp_path: Path) -> None:
    sizes = [(16, 24), (30, 20)]
    write_rows(tmp_path / "data" / "train.parquet", [n % 2 for n in range(40)], sizes=sizes)
    with pytest.raises(InvalidValue, match=r"row 1 .*20x30 pixels, not 24x16; --image-size"):
        load_dataset("parquet", tmp_path)
    data = load_dataset("parquet", tmp_path, DataOptions(image_size=12))
    assert data.sides == (12, 12)
    assert (len(data.train), len(data.held_out)) == (30, 10)


def test_settings_that_a_data_set_lacks_are_refused(machine_cache: Path, tmp_path: Path) -> None:
    for name, options, flag in (
        ("digits", DataOptions(image_size=8), "--image-size: the data set digits"),
        ("folder", DataOptions(label_column="x"), "--label-column: the data set folder"),
    ):
        with pytest.raises(InvalidValue, match=flag):
            load_dataset(name, tmp_path, options)
    with pytest.raises(InvalidValue, match=r"--image-size 3 is out of range: 4\.\.512"):
        DataOptions(image_size=3)


def test_pixels_are_measured_exactly() -> None:
    """Half of each channel at 0 and half at 51, a fifth of white: mean .1, deviation .1."""
    images = np.zeros((10, 2, 4, 4), np.uint8)
    images[:, :, :2] = 51
    assert measure_pixels(images) == ((0.1, 0.1), (0.1, 0.1))
    assert measure_pixels(np.zeros((3, 1, 4, 4), np.uint8)) == ((0.0,), (1e-4,))


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("size", [8, 28, 64])
def test_the_model_that_auto_chooses_takes_any_usual_size(
    machine_cache: Path, tmp_path: Path, device: str, size: int
) -> None:
    data = load_dataset("folder", write_folder(tmp_path, count=8, size=(size, size)))
    model = build_model(AUTO["folder"][device], data, CPU)
    assert model(torch.zeros(2, 3, size, size)).shape == (2, 2)


def test_images_too_large_for_a_model_are_refused(machine_cache: Path, tmp_path: Path) -> None:
    write_folder(tmp_path, size=(49, 49))
    with pytest.raises(InvalidValue, match="49 pixels wide, and resnet9 takes up to 48"):
        Task.named("folder-random:0.4", "resnet9").load(tmp_path)


def test_auto_says_which_loader_and_why(machine_cache: Path, tmp_path: Path) -> None:
    data = load_dataset("folder", write_folder(tmp_path))
    size = data.train.images.nbytes
    assert choose_loader("auto", data, "cpu", np.inf)[0] == "resident"
    loader, why = choose_loader("auto", data, "cuda", size / GPU_SHARE)
    assert (loader, "fit on the GPU" in why) == ("resident", True)
    loader, why = choose_loader("auto", data, "cuda", size)
    assert loader in ("ffcv", "mapped")
    assert "more than 20% of the GPU's free" in why
    assert choose_loader("mapped", data, "cuda", size) == ("mapped", "as asked for")


def test_a_mapped_source_reads_what_a_resident_one_does(
    machine_cache: Path, tmp_path: Path
) -> None:
    data = load_dataset("folder", write_folder(tmp_path)).train
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(0))
    both = [list(cls(data, CPU).read(order, 7)) for cls in (MappedSource, ResidentSource)]
    for (images, labels), (others, expected) in zip(*both, strict=True):
        assert torch.equal(images, others)
        assert torch.equal(labels, expected)
