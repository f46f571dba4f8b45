"""All rows of a store at once: the columns that are needed, read on several cores."""

from __future__ import annotations

import errno
import functools
import itertools
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.results.checks.digest import check_version, find_copy, verify_digest
from orchestrator.results.checks.ranges import check_ranges
from orchestrator.results.files import (
    SCHEMA,
    add_generation,
    is_nameless,
    list_files,
    read_generation,
    take_some,
    warn_of_unsealed,
)
from tasks.errors import StorageError, StorageFault
from tasks.storage.base import Storage, read_several

LARGE = 2**22
"""Bytes of a file that is worth several threads; of small ones, several are read at a time."""


def read_at_once(
    place: Storage, sweep: str | None, columns: Sequence[str] = SCHEMA.names
) -> pa.Table | None:
    """Read these columns of all rows; None if a file is damaged or another program's.

    `columns` must include UNIQUE. Warns of files without a digest.
    """
    paths = sorted(list_files(place, sweep), key=read_generation)
    tables: list[pa.Table] = []
    unsealed = 0
    try:
        for generation, files in itertools.groupby(paths, read_generation):
            for some in take_some(list(files)):
                rows, without = _read_some(place, some, columns)
                tables.append(add_generation(rows, generation))
                unsealed += without
    except StorageError:
        raise
    except StorageFault as error:
        if error.errno != errno.EIO:
            raise
        return None
    except Exception:  # `read_whole` reads each file, and finds the damaged or deleted one
        return None
    if not tables or any(map(is_nameless, tables)):
        return None
    warn_of_unsealed(unsealed)
    return pa.concat_tables(tables)


def _read_some(
    place: Storage, files: Sequence[str], columns: Sequence[str]
) -> tuple[pa.Table, int]:
    """Return these columns of some files, and how many files have no digest; raise if one is damaged."""
    wanted = pa.schema([SCHEMA.field(name) for name in columns], SCHEMA.metadata)
    found = [*read_several(place, functools.partial(_read_columns, place, wanted), files)]
    rows = pa.concat_tables(rows for rows, _ in found).combine_chunks().cast(wanted)
    unsealed = sum(not sealed for _, sealed in found)
    if unsealed:
        check_ranges(rows)
    return rows, unsealed


def _read_columns(place: Storage, wanted: pa.Schema, file: str) -> tuple[pa.Table, bool]:
    """Return the columns `wanted` of a file, and whether the file has a digest; raise if it is damaged.

    The digest is checked before anything else.
    """
    content = place.read(file)
    if content is None:
        raise FileNotFoundError(file)
    sealed = verify_digest(content)
    copy = find_copy(content) if sealed else None
    if copy is not None:
        # Arrow wants its buffers aligned; inside of the file they begin anywhere.
        rows = pa.ipc.open_stream(pa.py_buffer(bytes(copy))).read_all()
        return _take_columns(rows, wanted), sealed
    # The checksums of pages are better than nothing.
    source = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=not sealed)
    if not sealed:
        check_version(source.schema_arrow.metadata)
    rows = source.read(wanted.names, use_threads=len(content) >= LARGE)
    return _take_columns(rows, wanted), sealed


def _take_columns(rows: pa.Table, wanted: pa.Schema) -> pa.Table:
    """Return the columns `wanted`, null where the file has none."""
    if set(wanted.names) <= set(rows.column_names):
        rows = rows.select(wanted.names)
        if rows.schema.equals(wanted):
            return rows
    every = pa.concat_tables([wanted.empty_table(), rows], promote_options="permissive")
    return every.select(wanted.names).cast(wanted)
