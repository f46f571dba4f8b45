"""FFCV's loader: the same batches as the resident one, and a .beton that survives what happens."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from tasks.datasets.dataset import Augmentation, Dataset, LabelledImages
from tasks.datasets.splits import ResidentSource, Split
from tasks.errors import InvalidValue

pytest.importorskip("ffcv", reason="ffcv is not installed (`make setup` says how)")

if TYPE_CHECKING:
    from tasks.datasets.formats.beton import FFCVSource

CPU = torch.device("cpu")
COUNT = 300


def colour_dataset(seed: int = 0) -> Dataset:
    """Random images (3, 12, 16): not square, so that swapped axes show."""
    rng = np.random.default_rng(seed)

    def part(count: int) -> LabelledImages:
        images = rng.integers(0, 256, (count, 3, 12, 16), dtype=np.uint8)
        return LabelledImages(images, rng.integers(0, 4, count))

    return Dataset(
        name="noise",
        train=part(COUNT),
        held_out=part(20),
        classes=tuple("abcd"),
        mean=(0.5, 0.4, 0.3),
        std=(0.2, 0.3, 0.4),
        augmentation=Augmentation(flip=True, translate=2),
        source="random numbers",
    )


@pytest.fixture(scope="module")
def beton(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The module under test: importing it says where compiled code is kept, here a new folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("compiled")))
        from tasks.datasets.formats import beton
    return beton


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The machine's cache, private to one test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def dataset() -> Dataset:
    """The same images in every test."""
    return colour_dataset()


@pytest.fixture
def ffcv(beton: ModuleType, dataset: Dataset) -> FFCVSource:
    """Its training images behind FFCV."""
    return beton.FFCVSource(dataset, CPU)


def assert_same(first, second) -> None:
    """Two iterators of batches give equal tensors, and equally many."""
    pairs = list(zip(first, second, strict=True))
    assert pairs
    for one, other in pairs:
        assert all(
            torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(one, other, strict=True)
        )


def epoch_threads() -> list[threading.Thread]:
    """FFCV's threads that are alive."""
    return [t for t in threading.enumerate() if type(t).__name__ == "EpochIterator"]


@pytest.mark.parametrize("indices", [torch.arange(COUNT), torch.arange(7, COUNT, 3)])
def test_splits_see_the_same_batches_from_both_sources(dataset, ffcv, indices):
    splits = [Split(s, indices, dataset) for s in (ffcv, ResidentSource(dataset.train, CPU))]
    for _ in range(2):  # the second pass goes through the same loader
        assert_same(*(s.batches(64, torch.Generator().manual_seed(3)) for s in splits))
    assert_same(*(s.batches(50, torch.Generator().manual_seed(3), share=0.3) for s in splits))
    assert_same(*(s.ordered(128) for s in splits))
    assert torch.equal(*(s.sample(9, torch.Generator().manual_seed(1)) for s in splits))


def test_order_and_duplicates_are_kept_and_the_last_batch_is_not_dropped(dataset, ffcv):
    order = torch.tensor([5, 5, 299, 0, 5, 17, 0])
    batches = list(ffcv.read(order, 4))
    assert [len(labels) for _, labels in batches] == [4, 3]
    images, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    assert torch.equal(images, torch.from_numpy(dataset.train.images)[order])
    assert torch.equal(labels, torch.from_numpy(dataset.train.labels)[order])


def test_batches_stay_as_they_are_while_the_loader_goes_on(dataset, ffcv):
    kept = list(ffcv.read(torch.arange(COUNT), 10))
    assert torch.equal(torch.cat([x for x, _ in kept]), torch.from_numpy(dataset.train.images))


def test_two_readers_of_one_source_do_not_disturb_each_other(dataset, ffcv):
    resident = ResidentSource(dataset.train, CPU)
    orders = torch.arange(COUNT), torch.arange(COUNT).flip(0)
    both = [zip(s.read(orders[0], 7), s.read(orders[1], 9), strict=False) for s in (ffcv, resident)]
    for one, other in zip(*both, strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("index", [-1, COUNT])
def test_an_index_outside_the_data_is_an_error(ffcv, index):
    with pytest.raises(IndexError, match="outside the 300 images"):
        next(ffcv.read(torch.tensor([0, index]), 2))


def test_an_abandoned_iterator_leaves_no_thread(ffcv):
    assert not epoch_threads()
    for _ in range(3):
        reader = ffcv.read(torch.arange(COUNT), 2)
        next(reader)
        assert len(epoch_threads()) == 1
        del reader
        assert not epoch_threads()
    assert len(list(ffcv.read(torch.arange(COUNT), 2))) == COUNT // 2
    assert not epoch_threads()


def test_torch_keeps_its_number_of_threads(beton, dataset):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        list(beton.FFCVSource(dataset, CPU).read(torch.arange(COUNT), 50))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("damage", ["truncated", "altered", "no digest"])
def test_a_damaged_beton_is_written_again(beton, dataset, damage):
    path = beton.ensure_beton(dataset)
    good = path.read_bytes()
    if damage == "truncated":
        path.write_bytes(good[: len(good) // 2])
    elif damage == "altered":
        path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    else:
        path.with_suffix(".sha256").unlink()
    assert beton.ensure_beton(dataset).read_bytes() == good


def test_a_good_beton_is_not_written_again(beton, dataset):
    path = beton.ensure_beton(dataset)
    written = path.stat().st_mtime_ns, path.stat().st_ino
    assert beton.ensure_beton(dataset) == path
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == written


WRITER = """
import sys
sys.path.insert(0, sys.argv[1])
from test_ffcv import CPU, COUNT, colour_dataset
from tasks.datasets.formats import beton, beton_file
dataset, write = colour_dataset(), beton_file._write
def counted(path, data):
    print("writes", flush=True)
    write(path, data)
beton_file._write = counted
print("ready", flush=True)
sys.stdin.readline()
list(beton.FFCVSource(dataset, CPU).read(beton.torch.arange(COUNT), 100))
"""


def run_two_writers(cache: Path) -> list[str]:
    """What two processes print that want the same .beton at the same moment."""
    command = [sys.executable, "-W", "ignore", "-c", WRITER, str(Path(__file__).parent)]
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "NUMBA_DEBUG_CACHE": "1"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, env=environment, **pipes) for _ in range(2)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate(timeout=400)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    return outputs


def test_two_processes_write_one_beton_and_use_our_compiled_code(beton, dataset, ffcv, tmp_path):
    list(ffcv.read(torch.arange(2), 2))  # compiles
    outputs = run_two_writers(tmp_path / "other")
    assert sum(text.count("writes") for text in outputs) == 1
    for text in outputs:
        assert re.search(r"data loaded from \S+_copy_raw", text)
    folder = tmp_path / "other" / "unlearning-sweeps" / "betons"
    assert [p.name for p in folder.glob("*.beton")] == [f"{dataset.fingerprint}.beton"]
    assert not list(folder.glob(".*.beton.*"))
    (ours,) = (tmp_path / "cache").rglob("*.beton")
    assert (folder / ours.name).read_bytes() == ours.read_bytes()


@pytest.mark.parametrize("mode", ["raw", "jpg"])
def test_a_beton_as_ffcv_writes_it_is_read(beton, dataset, tmp_path, mode):
    from ffcv.fields import IntField, RGBImageField
    from ffcv.writer import DatasetWriter

    from tasks.datasets.formats.beton_file import Pairs

    path = tmp_path / "train.beton"
    fields = {"image": RGBImageField(write_mode=mode, jpeg_quality=95), "label": IntField()}
    DatasetWriter(str(path), fields, num_workers=1).from_indexed_dataset(Pairs(dataset.train))
    data = beton.read_beton([path])
    assert data.images.shape == dataset.train.images.shape
    assert data.images.dtype == np.uint8
    assert np.array_equal(data.labels, dataset.train.labels)
    if mode == "raw":
        assert np.array_equal(data.images, dataset.train.images)


def test_our_beton_is_an_ordinary_one(beton, dataset):
    data = beton.read_beton([beton.ensure_beton(dataset)])
    assert data.compute_digest() == dataset.train.compute_digest()


def test_a_beton_that_cannot_be_read_is_one_clear_line(beton, dataset, tmp_path):
    path = tmp_path / "train.beton"
    path.write_bytes(beton.ensure_beton(dataset).read_bytes()[:-2000])
    with pytest.raises(InvalidValue, match=r"train.beton cannot be read .*truncated"):
        beton.read_beton([path])
    path.write_bytes(b"not a beton at all")
    with pytest.raises(InvalidValue, match="cannot be read as an FFCV file"):
        beton.read_beton([path])
