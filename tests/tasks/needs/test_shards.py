"""Which files make up a split: the nearest copy, whole, once."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from pictures import write_rows

from tasks.datasets.formats import folder_search
from tasks.datasets.formats.shards import check_shards, find_shards
from tasks.errors import InvalidValue

WHOLE = ("train-00000-of-00002.parquet", "train-00001-of-00002.parquet")


def touch(folder: Path, *names: str) -> list[Path]:
    """Files with the path as their content: no two are alike."""
    files = [folder / name for name in names]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(str(file))
    return files


def names_of(found: dict[str, list[Path]], folder: Path) -> dict[str, list[str]]:
    return {
        split: [f.relative_to(folder).as_posix() for f in files] for split, files in found.items()
    }


@pytest.mark.parametrize(
    "files",
    [
        ("train.parquet", "test.parquet"),
        ("data/train-00000-of-00001-a1b2c3d4e5f6.parquet", "data/test-00000-of-00001-0123456789ab.parquet"),
        ("plain_text/train/0000.parquet", "plain_text/test/0000.parquet"),
        ("plain_text/cifar10-train.parquet", "plain_text/cifar10-test.parquet"),
        ("cifar10-train.arrow", "cifar10-test.arrow"),
        ("cifar10-train-00000-of-00001.arrow", "cifar10-test.arrow"),
        ("train/anything.parquet", "test/else.parquet"),
    ],
    ids=["plain", "hub", "convert branch", "old convert", "arrow", "arrow shards", "a folder each"],
)  # fmt: skip
def test_the_layouts_of_hugging_face_are_found(tmp_path: Path, files: tuple[str, str]) -> None:
    touch(tmp_path, *files)
    assert names_of(find_shards(tmp_path), tmp_path) == {"train": [files[0]], "test": [files[1]]}


def test_the_cache_of_the_hub_counts_by_its_newest_revision(tmp_path: Path) -> None:
    hub = tmp_path / "datasets--cifar10"
    for revision in ("old1", "new2"):
        touch(hub / "snapshots" / revision / "plain_text", "train.parquet", "test.parquet")
    touch(hub, "refs/main")[0].write_text("new2")
    found = find_shards(tmp_path)
    assert {f.parent.parent.name for files in found.values() for f in files} == {"new2"}


def test_shards_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    parts = [f"train-{n:05d}-of-00012.parquet" for n in range(12)]
    files = touch(tmp_path, *reversed(parts))
    assert [f.name for f in check_shards("train", files)] == parts


@pytest.mark.parametrize(
    ("names", "part"),
    [
        ((*WHOLE, "train-00000-of-00002 (1).parquet"), "(1)"),
        (("train.parquet", "train_small.parquet"), "train_small.parquet"),
        ((*WHOLE, "train.parquet"), "train.parquet"),
        (WHOLE[1:], "missing"),
        (("train-00000-of-00001-aaaaaaaa.parquet", "train-00000-of-00001-bbbbbbbb.parquet"), "twice"),
        (("train-00000-of-00001.parquet", "train-00000-of-00002.parquet"), "missing"),
        (("0000.parquet", "0002.parquet"), "missing"),
    ],
)  # fmt: skip
def test_copies_and_partial_sets_are_refused_by_name(
    tmp_path: Path, names: tuple[str, ...], part: str
) -> None:
    with pytest.raises(InvalidValue) as raised:
        check_shards("train", touch(tmp_path, *names))
    assert part in str(raised.value)
    assert str(tmp_path) in str(raised.value)
    assert all(name in str(raised.value) for name in names)


def test_one_shard_under_two_numbers_is_refused(tmp_path: Path) -> None:
    files = touch(tmp_path, *WHOLE)
    shutil.copy(files[0], files[1])
    with pytest.raises(InvalidValue, match="are the same"):
        check_shards("train", files)


def test_a_nearer_part_is_no_excuse_for_a_farther_whole(tmp_path: Path) -> None:
    touch(tmp_path, "train.parquet", "old/train.parquet", "old/test.parquet")
    with pytest.raises(InvalidValue) as raised:
        find_shards(tmp_path)
    assert f"{tmp_path} holds train alone, and {tmp_path / 'old'}" in str(raised.value)


def test_the_nearest_whole_copy_counts(tmp_path: Path) -> None:
    touch(tmp_path, "new/train.parquet", "new/test.parquet")
    touch(tmp_path, "a/b/train.parquet", "a/b/test.parquet")
    assert find_shards(tmp_path)["train"] == [tmp_path / "new/train.parquet"]


def test_halves_in_two_folders_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "a/train.parquet", "b/test.parquet")
    with pytest.raises(InvalidValue, match="in one folder"):
        find_shards(tmp_path)


def test_a_search_is_bounded_in_depth_and_in_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path / "/".join("abcdefgh"), "train.parquet", "test.parquet")
    assert find_shards(tmp_path) == {}
    monkeypatch.setattr(folder_search, "MOST_ENTRIES", 50)
    touch(tmp_path, *(f"{n}.txt" for n in range(60)))
    with pytest.raises(InvalidValue, match="give the folder that holds the data set itself"):
        find_shards(tmp_path)


def test_a_link_round_in_a_circle_ends(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    os.symlink(tmp_path, tmp_path / "a" / "back")
    assert find_shards(tmp_path) == {}


def test_a_nearer_folder_of_pickles_wins_over_farther_parquet(
    machine_cache: Path, tmp_path: Path
) -> None:
    """It is damaged, hence it is that which is read."""
    from tasks.datasets.cifar10 import TORCHVISION_FOLDER, load_cifar10

    for split in ("train", "test"):
        write_rows(tmp_path / "old" / f"{split}.parquet", list(range(10)))
    touch(tmp_path, f"{TORCHVISION_FOLDER}/data_batch_1")
    with pytest.raises(InvalidValue, match=TORCHVISION_FOLDER):
        load_cifar10(tmp_path)
