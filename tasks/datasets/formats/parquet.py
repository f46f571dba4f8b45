"""Labelled pictures in Parquet and Arrow files, as Hugging Face writes them; labels go by their names."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.datasets.dataset import LabelledImages
from tasks.datasets.formats.pictures import Encoded, decode_pictures
from tasks.errors import InvalidValue

if TYPE_CHECKING:
    import pyarrow as pa

IMAGE_COLUMNS = ("img", "image")
LABEL = "label"
ROWS = 1000
"""Rows that are decoded from one batch of a file."""


def read_parquet(
    files: Sequence[Path],
    classes: Sequence[str],
    *,
    label_column: str | None = None,
    shape: tuple[int, int] | None = None,
    side: int | None = None,
    colour: bool = False,
    title: str = "",
) -> LabelledImages:
    """Read the files of one split; the labels are positions in `classes`, matched by name if files name them.

    `shape`, `side`, `colour` and `title` are those of `decode_pictures`. Raises InvalidValue, which names the file, for
    damage, other columns, labels that are no classes, pictures of several sizes, and no rows at all.
    """
    labels = [read_labels(file, classes, label_column, title) for file in files]
    if not sum(map(len, labels)):
        raise InvalidValue(f"{files[0]} holds no rows")
    pictures = (pair for file in files for pair in _read_pictures(file))
    images = decode_pictures(pictures, shape=shape, side=side, colour=colour, title=title)
    return LabelledImages(images, np.concatenate(labels))


def read_labels(
    file: Path, classes: Sequence[str], label_column: str | None = None, title: str = ""
) -> np.ndarray:
    """Read the labels (N,) int64 of a file as positions in `classes`; raise InvalidValue as `read_parquet`.

    Names are compared without regard to case. Numbers without names stay what they are, in range or not.
    """
    name, column, names = _read_label_column(file, label_column)
    if _is_text(column):
        names = tuple(column.unique().to_pylist())
        numbers = np.array([names.index(label) for label in column.to_pylist()], np.int64)
    else:
        numbers = column.to_numpy().astype(np.int64)
    if names is None:
        return numbers
    if len(numbers) and not 0 <= numbers.min() <= numbers.max() < len(names):
        raise InvalidValue(
            f"{file}: its labels in {name!r} are {numbers.min()}..{numbers.max()}, and it names {len(names)}"
        )
    positions = {own.casefold(): position for position, own in enumerate(classes)}
    known = [positions.get(own.strip().casefold(), -1) for own in names]
    if -1 in known:
        others = ", ".join(own for own, position in zip(names, known, strict=True) if position < 0)
        raise InvalidValue(
            f"{file} is not {title or 'of one data set'}: it names other classes in {name!r} ({others[:100]}); "
            f"expected: {', '.join(classes)[:300]}; any labelled pictures are read by a task parquet-class:NAME"
        )
    return np.array(known, np.int64)[numbers]


def read_class_names(file: Path, label_column: str | None = None) -> tuple[str, ...] | None:
    """Read the names of the classes that a file declares, or its texts, sorted; None for bare numbers."""
    _, column, names = _read_label_column(file, label_column)
    return tuple(sorted(column.unique().to_pylist())) if _is_text(column) else names


def count_numbered_classes(file: Path, label_column: str | None = None) -> int:
    """Count the classes of a file with bare numbers: one more than the largest. Raises InvalidValue below 0."""
    name, column, _ = _read_label_column(file, label_column)
    numbers = column.to_numpy()
    if numbers.min(initial=0) < 0:
        raise InvalidValue(f"{file}: the labels in {name!r} begin at {numbers.min()}, not at 0")
    return 1 + int(numbers.max(initial=-1))


def _read_label_column(
    file: Path, label_column: str | None
) -> tuple[str, pa.ChunkedArray, tuple[str, ...] | None]:
    """Read the label column: its name, its values, and the names that the file gives to its numbers."""
    import pyarrow as pa

    schema = _read_schema(file)
    name = label_column or LABEL
    if name not in schema.names:
        raise InvalidValue(
            f"{file} cannot be read as labelled pictures: it has no column {name!r}; valid for "
            f"--label-column: {', '.join(schema.names)}"
        )
    column = _read_table(file, [name]).column(name)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if column.null_count:
        empty = int(np.flatnonzero(column.is_null().to_numpy())[0])
        raise InvalidValue(f"{file}, row {empty} (the first is 0): it has no label in {name!r}")
    if not (pa.types.is_integer(column.type) or _is_text(column)):
        raise InvalidValue(
            f"{file}: the labels in {name!r} are of type {column.type}; valid: whole numbers and the names "
            "of classes"
        )
    declared = _read_features(schema).get(name, {}).get("names")
    return name, column, tuple(map(str, declared)) if declared else None


def _read_pictures(file: Path) -> Iterator[tuple[str, Encoded]]:
    """Yield (place, encoded picture) of each row. Raises InvalidValue for a row without one."""
    schema = _read_schema(file)
    declared = [n for n, f in _read_features(schema).items() if f.get("_type") == "Image"]
    names = [name for name in (*IMAGE_COLUMNS, *declared) if name in schema.names]
    if not names:
        raise InvalidValue(
            f"{file} cannot be read as labelled pictures: no column 'img' or 'image' among {', '.join(schema.names)}"
        )
    row = 0
    for batch in _read_batches(file, names[0]):
        for value in batch.column(0).to_pylist():
            place = f"{file}, row {row} (the first is 0)"
            encoded = value.get("bytes") if isinstance(value, dict) else value
            if not isinstance(encoded, bytes):
                raise InvalidValue(f"{place}: it holds no picture in {names[0]!r}")
            yield place, encoded
            row += 1


def _is_text(column: pa.ChunkedArray) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(column.type) or pa.types.is_large_string(column.type))


def _read_features(schema: pa.Schema) -> dict[str, dict[str, Any]]:
    """Read what Hugging Face's `datasets` notes about the columns; {} if there is nothing that can be read."""
    try:
        noted = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, TypeError, ValueError):
        return {}
    return {name: f for name, f in noted.items() if isinstance(f, dict)}


def _read_schema(file: Path) -> pa.Schema:
    return _open(file).schema_arrow if file.suffix == ".parquet" else _open(file).schema


def _read_table(file: Path, columns: list[str]) -> pa.Table:
    opened = _open(file)
    try:
        if file.suffix == ".parquet":
            return opened.read(columns=columns)
        return opened.read_all().select(columns)
    except (OSError, ValueError) as error:
        raise _unreadable(file, error) from error


def _read_batches(file: Path, column: str) -> Iterator[pa.RecordBatch]:
    opened = _open(file)
    try:
        if file.suffix == ".parquet":
            yield from opened.iter_batches(ROWS, columns=[column])
        else:
            yield from (batch.select([column]) for batch in opened)
    except OSError as error:
        raise _unreadable(file, error) from error


def _open(file: Path) -> Any:
    """Open a Parquet file, or a stream of Arrow as `datasets` caches it; raise InvalidValue for damage."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if file.suffix == ".parquet":
            return pq.ParquetFile(file)
        return pa.ipc.open_stream(pa.memory_map(str(file)))
    except (OSError, ValueError) as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: Exception) -> InvalidValue:
    reason = " ".join(str(error).split())
    return InvalidValue(f"{file} cannot be read as Parquet or Arrow; is it whole? ({reason})")
