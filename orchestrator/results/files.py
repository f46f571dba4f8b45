"""The files of the results store: their schema, atomic writes, and reading despite damaged files."""

from __future__ import annotations

import errno
import functools
import json
import posixpath
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.results.checks.digest import ForeignFile, check_version, seal_file, verify_digest
from orchestrator.results.checks.ranges import check_ranges
from orchestrator.results.columns import COLUMNS
from tasks.errors import StorageFault
from tasks.storage.base import Storage, read_several

ROWS = "rows"
TRIAL = ["sweep", "trial_id"]
UNIQUE = [*TRIAL, "epoch"]
READ_AT_ONCE = 200
"""Most files held at a time. A table of ten rows takes a hundred times the memory of the rows."""

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
    metadata={"schema_version": "2"},
)
"""Every column in order."""
DESCRIBED = {c.name: {"help": c.help, "unit": c.unit} for c in COLUMNS.values()}
DESCRIPTION = {**SCHEMA.metadata, b"columns": json.dumps(DESCRIBED).encode()}
"""What a file says of itself in its metadata. Arrow's own schema would say the same in 43 KB, and a reader would
parse all of them, which is a third of the time that a small file takes."""

GENERATION = "_generation"
"""A column of tables in memory that join several files; no file has it. See `read_generation`."""
OWN = 1 << 40
"""The generation of a file that holds one trial."""
MERGED = re.compile(r"compacted-(\d{6})-")
GENERATIONS = SCHEMA.append(pa.field(GENERATION, pa.int64()))


class UncheckedRows(UserWarning):
    """Rows of an earlier version were read, whose files have no digest."""


OnDamage = Callable[[str, Exception], None]


class Content(NamedTuple):
    """The content of an undamaged file."""

    rows: pa.Table
    """In the present schema."""
    current: bool
    """True if the file itself has the present schema too."""
    sealed: bool
    """True if the file has a digest."""


class Part(NamedTuple):
    """The content of some undamaged files of one folder and generation."""

    folder: str
    files: list[str]
    rows: pa.Table
    """Rows in the present schema, with their generation."""
    current: bool
    """True if the files themselves have the present schema too."""
    unsealed: int
    """Number of these files that have no digest."""


def encode_table(table: pa.Table, *, merged: bool = False) -> bytes:
    """Return the bytes of a file with this table: of one trial, or of many `merged` ones.

    A file of one trial has no dictionaries and statistics: with few rows they would be a quarter of
    the bytes and a fifth of the reading time.
    """
    content = pa.BufferOutputStream()
    writer = pq.ParquetWriter(
        content, table.schema, store_schema=False, write_page_checksum=True,
        use_dictionary=merged, write_statistics=merged,
    )  # fmt: skip
    with writer:
        writer.write_table(table)
        writer.add_key_value_metadata({**DESCRIPTION, **(table.schema.metadata or {})})
    return seal_file(content.getvalue().to_pybytes(), b"" if merged else _copy_rows(table))


def _copy_rows(table: pa.Table) -> bytes:
    """Return the rows in Arrow's own format, which is read in a quarter of the time."""
    content = pa.BufferOutputStream()
    bare = pa.schema([pa.field(f.name, f.type) for f in table.schema])
    with pa.ipc.new_stream(content, bare) as writer:
        writer.write_table(pa.table(table.columns, bare))
    return bytes(content.getvalue().to_pybytes())


def read_generation(file: str) -> int:
    """Return a number that is larger for the newer of two files; clocks of nodes cannot tell.

    Each merged file is newer than all earlier merged files. A trial's own file is newer than any
    merged file.
    """
    name = posixpath.basename(file)
    if not name.startswith("compacted-"):
        return OWN
    numbered = MERGED.match(name)
    return int(numbered[1]) if numbered else 0


def name_merged_file(generation: int, digest: str) -> str:
    """Return the name of a merged file."""
    return f"compacted-{generation:06d}-{digest}.parquet"


def read_whole(
    place: Storage, sweep: str | None, on_damage: OnDamage | None = None
) -> tuple[list[Part], int]:
    """Read every undamaged file, and return the number of damaged ones too.

    `on_damage` gets the name and the error of each damaged file; without it there is a warning.
    """
    while True:
        read = _read_each(place, list_files(place, sweep))
        if read is not None:
            break  # else a file was merged into another meanwhile: read again
    parts, damaged = read
    for file, error in damaged.items():
        if on_damage is None:
            warn_of_damage(f"{place.root}/{file}", error)
        else:
            on_damage(file, error)
    warn_of_unsealed(sum(part.unsealed for part in parts))
    return parts, len(damaged)


def read_file(place: Storage, file: str) -> Content | Exception | None:
    """Return the content of a file, the error of a damaged file, or None if there is no such file.

    A file that the disk fails to read at every try is damaged. An outage of the storage is not
    damage: its error is raised, so that a good file is never overwritten.
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
        return _decode(content)
    except Exception as error:  # Arrow has no common class for the errors that damage causes
        return error


def _decode(content: bytes) -> Content:
    """Return the content of an undamaged file; raise any error for another one."""
    sealed = verify_digest(content)
    source = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
    if not sealed:
        check_version(source.schema_arrow.metadata)
    rows = source.read(use_threads=False)  # several files are read at a time
    every = pa.concat_tables([SCHEMA.empty_table(), rows], promote_options="permissive")
    present = every.select(SCHEMA.names).cast(SCHEMA)
    if is_nameless(present):
        raise ValueError(f"rows without {', '.join(UNIQUE)}")
    if not sealed:
        check_ranges(present)
    return Content(present, rows.schema.equals(SCHEMA), sealed)


def add_generation(rows: pa.Table, generation: int) -> pa.Table:
    """Return the rows with a column for the generation of their files."""
    column = pa.repeat(pa.scalar(generation, pa.int64()), len(rows))
    return rows.append_column(GENERATIONS.field(GENERATION), column)


def warn_of_damage(file: str, error: Exception | None) -> None:
    """Warn that a file was skipped, with the first line of the error."""
    reason = next(iter(str(error).splitlines()), "")
    what = "a foreign" if isinstance(error, ForeignFile) else "a damaged results"
    warnings.warn(f"skipped {what} file: {file} ({reason})", stacklevel=4)


def warn_of_unsealed(files: int) -> None:
    """Warn of files that are read unchecked, if there are any."""
    if files:
        warnings.warn(
            f"{files} results files of an earlier version have no checksum: they are read unchecked",
            UncheckedRows,
            stacklevel=4,
        )


def _read_each(
    place: Storage, files: Sequence[str]
) -> tuple[list[Part], dict[str, Exception]] | None:
    """Read each file; return the undamaged ones, and the errors of the others by file.

    Returns None if a file was deleted meanwhile.
    """
    parts: list[Part] = []
    damaged: dict[str, Exception] = {}
    for some in take_some(files):
        groups: dict[tuple[str, bool, int], dict[str, Content]] = {}
        contents = read_several(place, functools.partial(read_file, place), some)
        for file, content in zip(some, contents, strict=True):
            if content is None:
                return None
            if isinstance(content, Exception):
                damaged[file] = content
                continue
            group = posixpath.dirname(file), content.current, read_generation(file)
            groups.setdefault(group, {})[file] = content
        for (folder, current, generation), found in groups.items():
            rows = pa.concat_tables(c.rows for c in found.values()).combine_chunks()
            rows = add_generation(rows, generation)
            unsealed = sum(not c.sealed for c in found.values())
            parts.append(Part(folder, list(found), rows, current, unsealed))
    return parts, damaged


def take_some(files: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield the files in parts of READ_AT_ONCE."""
    return (files[i : i + READ_AT_ONCE] for i in range(0, len(files), READ_AT_ONCE))


def list_files(place: Storage, sweep: str | None) -> list[str]:
    """List the files of rows of a sweep, or of all sweeps."""
    sweeps = [f"{sweep}/"] if sweep else [n for n in place.list_names(ROWS) if n.endswith("/")]
    paths = (
        f"{ROWS}/{folder}{name}"
        for folder in sweeps
        for name in place.list_names(f"{ROWS}/{folder}")
    )
    return [
        p for p in paths if p.endswith(".parquet") and not posixpath.basename(p).startswith("_")
    ]


def is_nameless(table: pa.Table) -> bool:
    """Tell whether a row does not say whose it is."""
    return any(table[name].null_count for name in UNIQUE)
