"""A cache that cannot be written: data are decoded in each process instead."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tasks.datasets.dataset import LabelledImages
from tasks.datasets.formats.decoded_cache import open_cached_arrays

READS: list[list[Path]] = []
DATA = LabelledImages(np.arange(48, dtype=np.uint8).reshape(1, 4, 4, 3), np.zeros(1, np.int64))


def decode(files: list[Path]) -> LabelledImages:
    """Give the same picture each time, and note the call."""
    READS.append(files)
    return DATA


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Make what lies in the folder read-only, for root too."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a folder read-only")
    mounted = subprocess.run(["mount", "--bind", folder, folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("needs a system that lets root mount")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the cache lies in."""
    (folder := tmp_path / "cache").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    READS.clear()
    return folder


def test_a_cache_that_is_read_only_is_done_without(cache, tmp_path):
    (file := tmp_path / "data").write_text("pictures")
    with read_only(cache), pytest.warns(UserWarning, match=r"cannot be written.*XDG_CACHE_HOME"):
        data = open_cached_arrays([file], decode)
    np.testing.assert_array_equal(data.images, DATA.images)
    assert data.compute_digest() == DATA.compute_digest()
    assert list(cache.iterdir()) == []


@pytest.mark.filterwarnings("error")
def test_a_copy_in_a_cache_that_became_read_only_is_read(cache, tmp_path):
    (file := tmp_path / "data").write_text("pictures")
    open_cached_arrays([file], decode)
    with read_only(cache):
        data = open_cached_arrays([file], decode)
    np.testing.assert_array_equal(data.images, DATA.images)
    assert len(READS) == 1
