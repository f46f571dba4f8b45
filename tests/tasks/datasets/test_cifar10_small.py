"""The fifth of CIFAR-10: which images it keeps."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from pictures import pictures, same, write_parquet

from tasks.datasets import load_dataset
from tasks.datasets.cifar10_small import PER_CLASS, choose_images
from tasks.datasets.dataset import LabelledImages


def test_of_each_class_the_images_with_the_smallest_digests_are_kept() -> None:
    data = pictures(60, 60)
    kept = choose_images(data, 2)
    digests = [hashlib.sha256(image.tobytes()).hexdigest() for image in data.images]
    for label in range(10):
        of_class = sorted(digests[n] for n in np.flatnonzero(data.labels == label))
        assert [digests[n] for n in kept if data.labels[n] == label] == of_class[:2]


def test_the_order_of_a_copy_changes_nothing() -> None:
    data, order = pictures(60, 60), np.random.default_rng(0).permutation(60)
    mixed = LabelledImages(data.images[order], data.labels[order])
    one, other = choose_images(data, 3), choose_images(mixed, 3)
    assert np.array_equal(data.images[one], mixed.images[other])


def test_a_class_with_fewer_images_keeps_them_all(machine_cache: Path, tmp_path: Path) -> None:
    held_out = pictures(20, 20)
    write_parquet(tmp_path / "train.parquet", pictures(40, 40))
    write_parquet(tmp_path / "test.parquet", held_out)
    data = load_dataset("cifar10-small", tmp_path)
    assert (data.name, len(data.train)) == ("cifar10-small", 40)
    assert same(data.held_out, held_out)


@pytest.mark.skipif(
    "CIFAR10_DIR" not in os.environ, reason="set CIFAR10_DIR to a folder that holds CIFAR-10"
)
def test_a_fifth_of_the_real_cifar10(machine_cache: Path) -> None:
    data = load_dataset("cifar10-small", Path(os.environ["CIFAR10_DIR"]))
    assert np.bincount(data.train.labels).tolist() == [PER_CLASS] * 10
    assert len(data.held_out) == 10_000
    assert "10,000 of its 50,000 training images" in data.source
