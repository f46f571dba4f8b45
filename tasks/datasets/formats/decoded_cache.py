"""Data sets that are decoded once per machine; all processes share them through the page cache."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from filelock import FileLock

from tasks.datasets.dataset import LabelledImages


def machine_cache() -> Path:
    """Return the folder for decoded data and compiled code, under $XDG_CACHE_HOME or ~/.cache."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "unlearning-sweeps"


def open_cached_arrays(
    files: list[Path], decode: Callable[[list[Path]], LabelledImages]
) -> LabelledImages:
    """Return the images of `files`, memory-mapped from a decoded copy that is written once, under a lock.

    The copy is named by the names, sizes and times of the files. An incomplete copy is written again.
    """
    folder = machine_cache() / "arrays" / _stamp(files)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):
        try:
            return _map_arrays(folder)
        except (
            OSError,
            ValueError,
            EOFError,
        ):  # numpy's errors for absent, truncated and empty files
            data = decode(files)
            _save(folder / "labels.npy", data.labels)
            _save(folder / "images.npy", np.ascontiguousarray(data.images))
            return _map_arrays(folder)


def _stamp(files: list[Path]) -> str:
    parts = [f"{f.resolve()}:{f.stat().st_size}:{f.stat().st_mtime_ns}" for f in files]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _map_arrays(folder: Path) -> LabelledImages:
    # Copy-on-write: torch wants writable memory, the file stays as it is.
    images = np.load(folder / "images.npy", mmap_mode="c")
    labels = np.load(folder / "labels.npy")
    if len(images) != len(labels):
        raise ValueError("images and labels differ in length")
    return LabelledImages(images, labels)


def _save(path: Path, array: np.ndarray) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with open(partial, "wb") as file:
        np.save(file, array)
    os.replace(partial, path)
