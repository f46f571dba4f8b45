"""The results store: one Parquet dataset per storage root, one atomic file per finished trial.

    <storage>/rows/<sweep>/<trial key>.parquet

A file appears whole or not at all, and the first one of a trial stays, whoever runs it again. After a
power cut a damaged file may be there, which counts as none. Any Parquet reader opens a file. Needs
pyarrow and numpy alone, and boto3 for a storage root in a bucket.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.results.checks.digest import ForeignFile, check_version, verify_digest
from orchestrator.results.columnar.scan import read_at_once
from orchestrator.results.columns import COLUMNS
from orchestrator.results.files import (
    GENERATIONS,
    OWN,
    ROWS,
    SCHEMA,
    Content,
    OnDamage,
    Part,
    encode_table,
    list_files,
    name_merged_file,
    read_file,
    read_generation,
    read_whole,
    warn_of_damage,
)
from orchestrator.results.versions import (
    NEEDED,
    columns_behind,
    drop_repeats,
    sort_rows,
    translate_old_rows,
)
from tasks.errors import InvalidValue, StorageFault
from tasks.registry import one_of
from tasks.storage.base import Storage
from tasks.storage.roots import open_root

DAMAGED = ".damaged"
"""Suffix of a file that was set aside."""
NAMING = "sweep", "confirms"
"""Columns with the name of a sweep."""

__all__ = [
    "COLUMNS",
    "SCHEMA",
    "compact_rows",
    "copy_rows",
    "read_finished_trials",
    "read_results",
    "read_stored_rows",
    "set_file_aside",
    "settle_rows",
    "write_rows",
]


def write_rows(
    storage: str | Path,
    sweep: str,
    key: str,
    rows: Iterable[dict[str, Any]],
    instead_of: str | None = None,
    settled: bool = True,
) -> list[dict[str, Any]]:
    """Store the rows of one trial as one file named by its content key; return the stored rows.

    What is not `settled` survives a power cut only after `settle_rows`, and anything else at once.

    These may be another writer's rows. A worker that was presumed dead may finish a trial that runs
    again meanwhile, and the study has learned from the first rows. So only a damaged file is
    replaced. Files of other keys that begin with `instead_of` are deleted, because a baseline may be
    trained again. Absent columns become null. Raises ValueError for an unknown column.
    """
    records = list(rows)
    unknown = {name for row in records for name in row} - set(COLUMNS)
    if unknown:
        raise ValueError(f"unknown columns: {', '.join(sorted(unknown))}")
    place, file = open_root(storage), name_rows(sweep, key)
    content = encode_table(pa.Table.from_pylist(records, schema=SCHEMA))
    stored = _create_or_replace(place, file, content, settled) or records
    if instead_of:
        folder = f"{ROWS}/{sweep}"
        others = [f"{folder}/{n}" for n in place.list_names(folder) if n.startswith(instead_of)]
        for other in others:
            if other != file and not other.endswith(DAMAGED):
                place.delete(other)
    return stored


def settle_rows(storage: str | Path, sweep: str, keys: Iterable[str]) -> None:
    """Wait until the rows that `write_rows` stored under these keys survive a power cut."""
    open_root(storage).settle(name_rows(sweep, key) for key in keys)


def name_rows(sweep: str, key: str) -> str:
    """Return the name of the file that has the rows of one trial."""
    return f"{ROWS}/{sweep}/{key}.parquet"


def read_results(
    storage: str | Path,
    sweep: str | None = None,
    columns: Iterable[str] = SCHEMA.names,
    on_damage: OnDamage | None = None,
) -> pa.Table:
    """Read all rows of a storage root, or of one sweep, with these `columns` of the present schema.

    A root without results gives an empty table. Columns that an older version did not write are
    null; columns of a newer version are left out. A damaged file is skipped with a warning, or given
    to `on_damage` if there is one. Files of an earlier version, which have no digest, are read with a
    warning. Raises InvalidValue for an unknown column, listing the valid ones.
    """
    wanted = [one_of("column", name, SCHEMA.names) for name in dict.fromkeys(columns)]
    place = open_root(storage)
    table = read_at_once(place, sweep, columns_behind([*NEEDED, *wanted]))
    if table is None:
        parts, _ = read_whole(place, sweep, on_damage)
        table = pa.concat_tables([GENERATIONS.empty_table(), *(part.rows for part in parts)])
    return translate_old_rows(sort_rows(drop_repeats(table))).select(wanted)


def read_stored_rows(storage: str | Path, sweep: str, key: str) -> list[dict[str, Any]]:
    """Return the rows of the trial with this content key, by epoch; none if the trial has not ended."""
    file = name_rows(sweep, key)
    content = read_file(open_root(storage), file)
    if isinstance(content, Content):
        return _in_order(content)
    if content is not None:
        warn_of_damage(file, content)
    return []


def read_finished_trials(
    storage: str | Path,
    sweep: str,
    on_damage: OnDamage | None = None,
    columns: Iterable[str] = SCHEMA.names,
) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each finished trial of a sweep, by trial_id and in order of epoch.

    For `on_damage` see `read_results`. `columns` must include trial_id and final.
    """
    if not list_files(open_root(storage), sweep):  # as where a worker begins: its first trial waits
        return {}
    rows = read_results(storage, sweep, columns, on_damage).to_pylist()
    ended = {row["trial_id"] for row in rows if row["final"]}
    trials: dict[str, list[dict[str, Any]]] = {trial_id: [] for trial_id in sorted(ended)}
    for row in rows:
        if row["trial_id"] in ended:
            trials[row["trial_id"]].append(row)
    return trials


def set_file_aside(storage: str | Path, file: str, error: Exception) -> str:
    """Rename a damaged file of rows so that no reader finds it; return a line that says so.

    A file of another program stays where it is. So does a file that the disk cannot read.
    """
    place = open_root(storage)
    reason = next(iter(str(error).splitlines()), type(error).__name__)
    if isinstance(error, ForeignFile):
        return f"{place.root}/{file} is left out: {reason}"
    said = f"{place.root}/{file} is damaged ({reason}): its trials run again"
    kept = f"{file}{DAMAGED}"
    try:
        place.write(kept, place.read(file) or b"")
        place.delete(file)
    except StorageFault as fault:
        return f"{said}; it stays where it is ({fault.strerror or fault})"
    return f"{said}; it is kept as {kept}"


def compact_rows(storage: str | Path, sweep: str | None = None) -> tuple[int, int]:
    """Merge the files of each sweep into one file; return (files before, rows).

    The merged file is written before the others are deleted. A crash in between repeats rows, which
    `read_results` drops, but loses none. A damaged file is left as it is. So is a file of another
    version of this program: a merge would lose the columns of a newer version.
    """
    place = open_root(storage)
    parts, damaged = read_whole(place, sweep)
    by_folder: dict[str, list[Part]] = {}
    for part in parts:
        if part.current:
            by_folder.setdefault(part.folder, []).append(part)
    rows = 0
    for folder, members in by_folder.items():
        table = sort_rows(drop_repeats(pa.concat_tables(part.rows for part in members)))
        rows += len(table)
        files = sorted(file for part in members for file in part.files)
        before = [g for g in map(read_generation, files) if g != OWN]
        if len(files) == len(before) == 1:
            continue
        digest = hashlib.sha256("\n".join(files).encode()).hexdigest()[:16]
        kept = f"{folder}/{name_merged_file(max(before, default=0) + 1, digest)}"
        place.write(kept, encode_table(table.select(SCHEMA.names), merged=True))
        for file in files:
            place.delete(file)
    others = sum(len(part.files) for part in parts if not part.current)
    if others:
        warnings.warn(f"left {others} files of another version as they are", stacklevel=2)
    return sum(len(part.files) for part in parts) + damaged, rows


def copy_rows(storage: str | Path, sweep: str, copy: str, names: Mapping[str, str]) -> int:
    """Write each file of a sweep's rows for the sweep `copy`, which may be the same; return their number.

    In the rows, sweeps are called by their new `names`. A file of another program is copied as it is. Raises
    InvalidValue for a damaged file.
    """
    place = open_root(storage)
    files = place.list_names(f"{ROWS}/{sweep}")
    for name in files:
        content = place.read(f"{ROWS}/{sweep}/{name}")
        if content is not None:
            place.write(f"{ROWS}/{copy}/{name}", rename_in_file(name, content, names))
    return len(files)


def rename_in_file(name: str, content: bytes, names: Mapping[str, str]) -> bytes:
    """Return the file of rows `name` with the new names of sweeps; the same bytes give the same result."""
    if not name.endswith(".parquet"):
        return content
    try:
        if not verify_digest(content):
            check_version(pq.read_schema(pa.BufferReader(content)).metadata)
        table = pq.read_table(pa.BufferReader(content), page_checksum_verification=True)
    except ForeignFile:
        return content
    except Exception as error:  # Arrow has no common class for the errors that damage causes
        raise InvalidValue(
            f"{name} of the sweep's rows is damaged ({error}): `orchestrator resume` runs its trials again"
        ) from error
    for column in set(NAMING) & set(table.column_names):
        at, field = table.column_names.index(column), table.schema.field(column)
        renamed = [names.get(value, value) for value in table[column].to_pylist()]
        table = table.set_column(at, field, pa.array(renamed, field.type))
    return encode_table(table, merged=read_generation(name) != OWN)


def _create_or_replace(
    place: Storage, file: str, content: bytes, settled: bool
) -> list[dict[str, Any]]:
    """Create a file or replace a damaged one; return the rows of a file that exists already."""
    while not place.create(file, content, settled):
        found = read_file(place, file)
        if isinstance(found, Content):
            return _in_order(found)
        if found is not None:
            place.write(file, content)
            break
    return []


def _in_order(content: Content) -> list[dict[str, Any]]:
    return list(content.rows.sort_by("epoch").to_pylist())
