"""The files of the results store: their schema, written whole or not at all, read whatever is damaged."""

from __future__ import annotations

import errno
import functools
import itertools
import posixpath
import re
import warnings
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from orchestrator.results.columns import COLUMNS
from tasks.errors import StorageFault
from tasks.storage.base import Storage, several_at_a_time

ROWS = "rows"
TRIAL = ["sweep", "trial_id"]
UNIQUE = [*TRIAL, "epoch"]
READ_AT_ONCE = 200
"""Files. A table of ten rows takes a hundred times what the rows do: no more are held at a time."""

ARROW = {
    "text": pa.string(),
    "real": pa.float64(),
    "whole": pa.int64(),
    "flag": pa.bool_(),
    "moment": pa.timestamp("us", tz="UTC"),
}
SCHEMA = pa.schema(
    [
        pa.field(c.name, ARROW[c.type], metadata={"help": c.help, "unit": c.unit})
        for c in COLUMNS.values()
    ],
    metadata={"schema_version": "1"},
)
"""Every column in order; help and unit travel in each Parquet file."""


GENERATION = "_generation"
"""A column of tables that several files were read into, and of no file: see `generation_of`."""
OWN = 1 << 40
"""The generation of a file of one trial."""
MERGED = re.compile(r"compacted-(\d{6})-")
GENERATIONS = SCHEMA.append(pa.field(GENERATION, pa.int64()))

CHECKED = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
PARQUET = ds.ParquetFileFormat(default_fragment_scan_options=CHECKED)


class Content(NamedTuple):
    """What a whole file holds."""

    rows: pa.Table
    """In the present schema."""
    current: bool
    """Whether the file's own schema is the present one too."""


class Part(NamedTuple):
    """What some whole files of one folder and generation hold."""

    folder: str
    files: list[str]
    rows: pa.Table
    """In the present schema, and their generation."""
    current: bool
    """Whether the files' own schema is the present one too."""


def encoded(table: pa.Table, *, merged: bool = False) -> bytes:
    """A table as the content of a file: of one trial, or of many `merged` ones.

    Of a few rows dictionaries and statistics are a quarter of the bytes, and a fifth of the time to read.
    """
    content = pa.BufferOutputStream()
    pq.write_table(
        table, content, write_page_checksum=True, use_dictionary=merged, write_statistics=merged
    )
    return bytes(content.getvalue().to_pybytes())


def generation_of(file: str) -> int:
    """Which of two files is newer, where clocks of nodes cannot say it.

    Each merged file is newer than those that were there before it, and every trial's own file is
    newer than they all.
    """
    name = posixpath.basename(file)
    if not name.startswith("compacted-"):
        return OWN
    numbered = MERGED.match(name)
    return int(numbered[1]) if numbered else 0


def merged_name(generation: int, digest: str) -> str:
    """The name of a merged file."""
    return f"compacted-{generation:06d}-{digest}.parquet"


def read_at_once(
    place: Storage, sweep: str | None, columns: Sequence[str] = SCHEMA.names
) -> pa.Table | None:
    """All rows if the files are on a file system and whole: Arrow reads them on all cores.

    `columns` are those of the schema to read, UNIQUE among them.
    """
    if place.folder is None:
        return None
    paths = [str(place.folder / file) for file in _files(place, sweep)]
    paths.sort(key=generation_of)
    try:
        tables = [
            with_generation(
                ds.dataset(some, schema=SCHEMA, format=PARQUET)
                .to_table([*columns])
                .combine_chunks(),
                generation,
            )
            for generation, files in itertools.groupby(paths, generation_of)
            for some in _some_at_a_time(list(files))
        ]
    except Exception:  # the file that is damaged, or gone, is found by reading each
        return None
    return None if not tables or any(map(_nameless, tables)) else pa.concat_tables(tables)


def read_whole(place: Storage, sweep: str | None) -> tuple[list[Part], int]:
    """Every whole file, and how many are damaged, which a warning says for each."""
    while True:
        read = _read_each(place, _files(place, sweep))
        if read is not None:
            break  # else one was merged into another meanwhile
    parts, damaged = read
    for file, error in damaged.items():
        warn_of_damage(f"{place.root}/{file}", error)
    return parts, len(damaged)


def read_file(place: Storage, file: str) -> Content | Exception | None:
    """What a file holds, what is wrong with it, or None if there is none.

    What the disk cannot read, however often, is damage. Raises what the storage does if it cannot
    be reached now: that is none, for damage is replaced.
    """
    try:
        content = place.read(file)
    except StorageFault as error:
        if error.errno != errno.EIO:
            raise
        return error
    if content is None:
        return None
    try:
        source = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
        rows = source.read(use_threads=False)  # several files are read at a time
        every = pa.concat_tables([SCHEMA.empty_table(), rows], promote_options="permissive")
        present = every.select(SCHEMA.names).cast(SCHEMA)
    except Exception as error:  # Arrow has no one class for what damage makes it stumble over
        return error
    if _nameless(present):
        return ValueError(f"rows without {', '.join(UNIQUE)}")
    return Content(present, rows.schema.equals(SCHEMA))


def with_generation(rows: pa.Table, generation: int) -> pa.Table:
    """The rows, and the generation of the files that they were read from."""
    column = pa.repeat(pa.scalar(generation, pa.int64()), len(rows))
    return rows.append_column(GENERATIONS.field(GENERATION), column)


def warn_of_damage(file: str, error: Exception | None) -> None:
    reason = next(iter(str(error).splitlines()), "")
    warnings.warn(f"skipped a damaged results file: {file} ({reason})", stacklevel=4)


def _read_each(
    place: Storage, files: Sequence[str]
) -> tuple[list[Part], dict[str, Exception]] | None:
    """The whole files, and what is wrong with the others; None if one of them is gone."""
    parts: list[Part] = []
    damaged: dict[str, Exception] = {}
    for some in _some_at_a_time(files):
        groups: dict[tuple[str, bool, int], dict[str, pa.Table]] = {}
        contents = several_at_a_time(place, functools.partial(read_file, place), some)
        for file, content in zip(some, contents, strict=True):
            if content is None:
                return None
            if isinstance(content, Exception):
                damaged[file] = content
                continue
            group = posixpath.dirname(file), content.current, generation_of(file)
            groups.setdefault(group, {})[file] = content.rows
        for (folder, current, generation), tables in groups.items():
            rows = pa.concat_tables(tables.values()).combine_chunks()
            rows = with_generation(rows, generation)
            parts.append(Part(folder, list(tables), rows, current))
    return parts, damaged


def _some_at_a_time(files: Sequence[str]) -> Iterator[Sequence[str]]:
    return (files[i : i + READ_AT_ONCE] for i in range(0, len(files), READ_AT_ONCE))


def _files(place: Storage, sweep: str | None) -> list[str]:
    sweeps = [f"{sweep}/"] if sweep else [n for n in place.names(ROWS) if n.endswith("/")]
    paths = (
        f"{ROWS}/{folder}{name}" for folder in sweeps for name in place.names(f"{ROWS}/{folder}")
    )
    return [
        p for p in paths if p.endswith(".parquet") and not posixpath.basename(p).startswith("_")
    ]


def _nameless(table: pa.Table) -> bool:
    return any(table[name].null_count for name in UNIQUE)
