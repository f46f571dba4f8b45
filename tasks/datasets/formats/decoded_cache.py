"""Data sets that are decoded once per machine; all processes share them through the page cache."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from filelock import FileLock

from tasks.datasets.dataset import LabelledImages
from tasks.provenance import source_version

CHECKSUM = "sha256"
"""File with the seal of a copy, see `seal_copy`."""


def machine_cache() -> Path:
    """Return the folder for decoded data and compiled code, under $XDG_CACHE_HOME or ~/.cache."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "unlearning-sweeps"


def open_cached_arrays(
    files: Sequence[Path],
    decode: Callable[[list[Path]], LabelledImages],
    **settings: Any,
) -> LabelledImages:
    """Return the images of `files`, memory-mapped from a decoded copy that is written once, under a lock.

    The copy is named by the names, sizes and times of the files, by the readers' code, and by the `settings`
    that `decode` goes by. A copy that is incomplete, or whose checksum is another, is written again.
    """
    folder = machine_cache() / "arrays" / _stamp(files, settings)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):
        try:
            return _map_arrays(folder)
        except Exception:  # numpy and Python's parser raise many kinds for damaged headers
            data = decode(list(files))
            _save(folder / "labels.npy", data.labels)
            _save(folder / "images.npy", np.ascontiguousarray(data.images))
            _replace(folder / CHECKSUM, lambda file: file.write(seal_copy(data).encode()))
            return _map_arrays(folder)


def _stamp(files: Sequence[Path], settings: dict[str, Any]) -> str:
    readers = source_version(*map(str, sorted(Path(__file__).parent.glob("*.py"))))
    parts = [readers, repr(sorted(settings.items()))]
    for file in files:
        stat = file.stat()
        parts.append(f"{file.resolve()}:{stat.st_size}:{stat.st_mtime_ns}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _map_arrays(folder: Path) -> LabelledImages:
    # Copy-on-write: torch wants writable memory, the file stays as it is.
    images = np.load(folder / "images.npy", mmap_mode="c")
    labels = np.load(folder / "labels.npy")
    if len(images) != len(labels):
        raise ValueError("images and labels differ in length")
    data = LabelledImages(images, labels)
    if (folder / CHECKSUM).read_bytes() != seal_copy(data).encode():
        raise ValueError("the checksum is another")
    return data


def seal_copy(data: LabelledImages) -> str:
    """Return a digest of pixels and labels, with their types and shapes.

    The digest, which a data set needs anyway for its fingerprint, is of the bytes alone. A flipped bit in the
    header of a file may turn the bytes of the labels around.
    """
    arrays = (data.images, data.labels)
    return " ".join([data.compute_digest(), *(f"{a.dtype.str}{a.shape}" for a in arrays)])


def _save(path: Path, array: np.ndarray) -> None:
    _replace(path, lambda file: np.save(file, array))


def _replace(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a new file and give it the name of `path`; a link in its place is replaced, not followed."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.unlink(missing_ok=True)
    with open(partial, "xb") as file:
        write(file)
    os.replace(partial, path)
