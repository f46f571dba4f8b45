"""The pickles of CIFAR-10 and CIFAR-100 (Krizhevsky, 2009), in their folder or in the archive as downloaded."""

from __future__ import annotations

import io
import pickle
import tarfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tasks.datasets.dataset import LabelledImages
from tasks.datasets.formats.decoded_cache import open_cached_arrays
from tasks.errors import InvalidValue

SAFE = {
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("_codecs", "encode"),
}
"""What these files name. Whatever else a pickle names could run code, hence it is refused."""


class _SafeUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in SAFE:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which these files do not")
        return super().find_class(module, name)


def read_pickles(where: Path, files: tuple[str, ...], label_key: str) -> LabelledImages:
    """Read batches of a folder or a .tar.gz: images uint8 (N, 3, 32, 32) and what is under `label_key`.

    Raises InvalidValue for files that are missing, damaged or of another kind.
    """
    batches = _read(where, files)
    try:
        rows = np.concatenate([np.asarray(batch["data"], np.uint8) for batch in batches])
        labels = np.concatenate([np.asarray(batch[label_key], np.int64) for batch in batches])
        return LabelledImages(rows.reshape(len(labels), 3, 32, 32), labels)
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidValue(
            f"{where} is incomplete or of another kind: {type(error).__name__} {error}"
        ) from error


def open_pickles(
    where: Path, batches: Mapping[str, tuple[str, ...]], label_key: str
) -> dict[str, LabelledImages]:
    """Open the splits of a folder or a .tar.gz, given the batches of each, from their decoded copies.

    Raises InvalidValue as `read_pickles` does.
    """

    def read(split: str, _: list[Path]) -> LabelledImages:
        return read_pickles(where, batches[split], label_key)

    def files(split: str) -> list[Path]:
        return [where / name for name in batches[split]] if where.is_dir() else [where]

    return {
        split: open_cached_arrays(files(split), partial(read, split), split=split)
        for split in batches
    }


def check_pickled_names(
    where: Path, file: str, key: str, classes: tuple[str, ...], title: str
) -> None:
    """Raise InvalidValue unless the names of the classes are those of the data set called `title`."""
    names = read_pickled_names(where, file, key)
    if names != classes:
        raise InvalidValue(f"{where} is not {title}: it names {', '.join(names)[:200]}")


def read_pickled_names(where: Path, file: str, key: str) -> tuple[str, ...]:
    """Read the names of the classes from `file` of a folder or a .tar.gz; raise InvalidValue."""
    (meta,) = _read(where, (file,))
    try:
        return tuple(n.decode() if isinstance(n, bytes) else str(n) for n in meta[key])
    except (KeyError, TypeError) as error:
        raise InvalidValue(f"{where}: {file} names no classes ({key} is missing)") from error


def _read(where: Path, files: tuple[str, ...]) -> list[dict[str, Any]]:
    try:
        if where.is_dir():
            contents = {file: (where / file).read_bytes() for file in files}
        else:
            contents = _read_archive(where, files)
        found = [_SafeUnpickler(io.BytesIO(contents[f]), encoding="latin1").load() for f in files]
        if not all(isinstance(content, dict) for content in found):
            raise ValueError("a batch is no dictionary")
        return found
    except Exception as error:  # damaged pickles and archives raise anything
        reason = " ".join(str(error).split())
        raise InvalidValue(f"{where} is incomplete or damaged ({reason})") from error


def _read_archive(where: Path, files: tuple[str, ...]) -> dict[str, bytes]:
    """Read members by their last name; an archive is gone through once, from its beginning."""
    contents: dict[str, bytes] = {}
    with tarfile.open(where) as archive:
        for member in archive:
            name = Path(member.name).name
            opened = archive.extractfile(member) if name in files else None
            if opened is not None:
                contents[name] = opened.read()
    missing = [file for file in files if file not in contents]
    if missing:
        raise ValueError(f"it holds no {', '.join(missing)}")
    return contents
