"""Data sets in the forms people have them."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import pickle
import socket
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from pictures import same
from torchvision.datasets import CIFAR10

from tasks.datasets import DATASETS, cifar10, load_dataset
from tasks.datasets.cifar10 import CLASSES, TORCHVISION_FOLDER, load_cifar10
from tasks.datasets.dataset import Dataset, LabelledImages
from tasks.errors import DatasetNotFound, InvalidValue

Parts = dict[str, LabelledImages]


@pytest.fixture
def torchvision_folder(tmp_path: Path, parts: Parts) -> Path:
    """A folder in torchvision's layout: five training batches, one test batch, the names."""
    folder = tmp_path / "torchvision"
    batches = folder / TORCHVISION_FOLDER
    batches.mkdir(parents=True)

    def dump(name: str, content: object) -> None:
        (batches / name).write_bytes(pickle.dumps(content))

    def rows(data: LabelledImages, cut: slice) -> dict[str, object]:
        labels = data.labels[cut].tolist()
        return {"data": data.images[cut].reshape(len(labels), -1), "labels": labels}

    for number in range(5):
        cut = slice(12 * number, 12 * number + 12)
        dump(f"data_batch_{number + 1}", rows(parts["train"], cut))
    dump("test_batch", rows(parts["test"], slice(None)))
    dump("batches.meta", {"label_names": list(CLASSES)})
    return folder


@pytest.fixture
def trusted(torchvision_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same folder where torchvision's own reader takes its checksums for the right ones."""

    def sums(names: list[tuple[str, str]]) -> list[list[str]]:
        files = [torchvision_folder / TORCHVISION_FOLDER / name for name, _ in names]
        return [[f.name, hashlib.md5(f.read_bytes()).hexdigest()] for f in files]

    meta = sums([(CIFAR10.meta["filename"], "")])[0][1]
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": meta})
    for name in ("train_list", "test_list"):
        monkeypatch.setattr(CIFAR10, name, sums(getattr(CIFAR10, name)))
    return torchvision_folder


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No download gets anywhere: nothing listens on the discard port."""
    monkeypatch.setattr(CIFAR10, "url", "http://127.0.0.1:9/cifar-10-python.tar.gz")


def test_digits_are_real_scans_in_two_parts_that_share_none(digits: Dataset) -> None:
    assert (len(digits.train), len(digits.held_out)) == (1198, 599)
    assert digits.train.images.shape[1:] == (1, 8, 8)
    assert digits.train.images.dtype == np.uint8
    assert digits.train.images.max() == 240  # 16 grey levels of the scans, times 15
    for part in (digits.train, digits.held_out):
        assert np.bincount(part.labels).min() > 40


def test_digits_are_normalised_by_their_own_mean_and_deviation(digits: Dataset) -> None:
    pixels = digits.train.images / 255
    assert pixels.mean() == pytest.approx(digits.mean[0], abs=0.005)
    assert pixels.std() == pytest.approx(digits.std[0], abs=0.005)


@pytest.mark.parametrize("name", list(DATASETS))
def test_an_unknown_data_set_lists_this_one(name: str) -> None:
    with pytest.raises(InvalidValue, match=name):
        load_dataset("imagenet")


def test_a_fingerprint_tells_apart_a_single_pixel_or_label(digits: Dataset) -> None:
    from dataclasses import replace

    images, labels = digits.train.images.copy(), digits.train.labels.copy()
    same_content = replace(digits, train=LabelledImages(images, labels), source="a copy")
    assert same_content.fingerprint == digits.fingerprint
    images[5, 0, 3, 3] ^= 1
    assert replace(digits, train=LabelledImages(images, labels)).fingerprint != digits.fingerprint
    labels[7] = (labels[7] + 1) % 10
    other = LabelledImages(digits.train.images, labels)
    assert replace(digits, train=other).fingerprint != digits.fingerprint


def test_every_form_gives_the_same_fingerprint(
    machine_cache: Path, hugging_face: Path, trusted: Path
) -> None:
    """So trained models and results of one form serve the other."""
    assert load_cifar10(hugging_face).fingerprint == load_cifar10(trusted).fingerprint


def test_what_is_missing_of_cifar10_is_said(machine_cache: Path, hugging_face: Path) -> None:
    source = load_cifar10(hugging_face).source
    assert "of CIFAR-10's 50,000 train images only" in source
    assert "of CIFAR-10's 10,000 test images only" in source


def test_several_beton_files_of_one_split_are_refused(machine_cache: Path, tmp_path: Path) -> None:
    for name in ("train", "train_small", "test"):
        (tmp_path / f"cifar_{name}.beton").touch()
    with pytest.raises(InvalidValue, match=r"several train files.*cifar_train\.beton"):
        load_cifar10(tmp_path)


def test_the_folder_of_torchvision(machine_cache: Path, trusted: Path, parts: Parts) -> None:
    dataset = load_cifar10(trusted)
    assert same(dataset.train, parts["train"])
    assert same(dataset.held_out, parts["test"])
    assert TORCHVISION_FOLDER in dataset.source


def test_a_folder_of_torchvision_with_wrong_checksums_is_refused(
    machine_cache: Path, torchvision_folder: Path, offline: None
) -> None:
    with pytest.raises(InvalidValue) as raised:
        load_cifar10(torchvision_folder)
    assert str(torchvision_folder / TORCHVISION_FOLDER) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("missing", ["data_batch_*", "test_batch", "batches.meta", "*"])
def test_a_folder_of_torchvision_that_is_incomplete_is_refused(
    machine_cache: Path, trusted: Path, offline: None, missing: str
) -> None:
    """As a download leaves it that was interrupted while unpacking."""
    for file in (trusted / TORCHVISION_FOLDER).glob(missing):
        file.unlink()
    with pytest.raises(InvalidValue) as raised:
        load_cifar10(trusted)
    assert str(trusted / TORCHVISION_FOLDER) in str(raised.value)


def test_a_server_that_says_nothing_is_given_up(
    machine_cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(cifar10, "SILENCE_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, by its backlog, and waits
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/cifar-10-python.tar.gz"
        monkeypatch.setattr(CIFAR10, "url", url)
        with pytest.raises(DatasetNotFound, match="could not be downloaded"):
            load_cifar10(tmp_path)
    assert f"downloading CIFAR-10 into {tmp_path}" in caplog.text
    assert socket.getdefaulttimeout() is None


@pytest.fixture
def served(trusted: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Torchvision's archive on a server of this machine; the paths that were asked for."""
    asked: list[str] = []
    archive = trusted / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(trusted / TORCHVISION_FOLDER, TORCHVISION_FOLDER)

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            # Torchvision asks once for where the file is, and does not wait for what comes.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                super().do_GET()

    handler = functools.partial(Handler, directory=str(trusted))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/{archive.name}"
        monkeypatch.setattr(CIFAR10, "url", url)
        monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())
        yield asked
        server.shutdown()


def test_of_several_that_need_a_download_at_once_one_does_it(
    machine_cache: Path, tmp_path: Path, served: list[str], parts: Parts
) -> None:
    load_cifar10(tmp_path / "alone")
    one = len(served)
    folder = tmp_path / "new"
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(load_cifar10, [folder] * 3))
    assert len(served) == 2 * one > 0
    assert all(same(data.train, parts["train"]) for data in found)
    left = {path.name for path in folder.iterdir()}
    assert left <= {TORCHVISION_FOLDER, ".download.lock"}


def test_nothing_found_says_what_was_tried_and_what_to_do(
    machine_cache: Path, tmp_path: Path, offline: None
) -> None:
    with pytest.raises(DatasetNotFound) as raised:
        load_cifar10(tmp_path / "nowhere")
    message = str(raised.value)
    for part in (str(tmp_path / "nowhere"), "train*.parquet", ".beton", TORCHVISION_FOLDER):
        assert part in message
    assert "--data-dir" in message
    assert "\n" not in message


@pytest.mark.skipif(
    "CIFAR10_DIR" not in os.environ, reason="set CIFAR10_DIR to a folder that holds CIFAR-10"
)
def test_the_real_cifar10() -> None:
    dataset = load_cifar10(Path(os.environ["CIFAR10_DIR"]))
    assert dataset.train.images.shape == (50_000, 3, 32, 32)
    assert dataset.held_out.images.shape == (10_000, 3, 32, 32)
    assert np.bincount(dataset.train.labels).tolist() == [5000] * 10
    assert np.bincount(dataset.held_out.labels).tolist() == [1000] * 10
    pixels = dataset.train.images[::10] / 255
    assert np.allclose(pixels.mean((0, 2, 3)), dataset.mean, atol=0.01)
    assert np.allclose(pixels.std((0, 2, 3)), dataset.std, atol=0.01)
