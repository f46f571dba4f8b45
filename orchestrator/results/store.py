"""The results store: one Parquet dataset per storage root, one atomic file per finished trial.

    <storage>/rows/<sweep>/<trial key>.parquet

A file appears whole or not at all, and the first one of a trial stays, whoever runs it again. Any
Parquet reader opens it. Needs pyarrow and numpy alone, and boto3 for a storage root in a bucket.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from orchestrator.results.columns import COLUMNS
from orchestrator.results.files import (
    GENERATIONS,
    OWN,
    ROWS,
    SCHEMA,
    UNIQUE,
    Content,
    Part,
    encoded,
    generation_of,
    merged_name,
    read_at_once,
    read_file,
    read_whole,
    warn_of_damage,
)
from orchestrator.results.versions import NEEDED, without_repeats
from tasks.registry import one_of
from tasks.storage.base import Storage
from tasks.storage.roots import storage_at

__all__ = [
    "COLUMNS",
    "SCHEMA",
    "compact",
    "finished_trials",
    "read_results",
    "stored_rows",
    "write_rows",
]


def write_rows(
    storage: str | Path,
    sweep: str,
    key: str,
    rows: Iterable[dict[str, Any]],
    instead_of: str | None = None,
) -> list[dict[str, Any]]:
    """Store the rows of one trial as one file named by its content key; returns what is stored.

    That may be another writer's rows: a worker that was thought dead may end a trial that was run
    again, and the study has been told of the first. Only a damaged file is replaced. Files of other
    keys that begin with `instead_of` go: a baseline may be made anew. Absent columns become null; an
    unknown column is an error (ValueError).
    """
    records = list(rows)
    unknown = {name for row in records for name in row} - set(COLUMNS)
    if unknown:
        raise ValueError(f"unknown columns: {', '.join(sorted(unknown))}")
    place, file = storage_at(storage), f"{ROWS}/{sweep}/{key}.parquet"
    content = encoded(pa.Table.from_pylist(records, schema=SCHEMA))
    stored = _created(place, file, content) or records
    if instead_of:
        folder = f"{ROWS}/{sweep}"
        others = [f"{folder}/{n}" for n in place.names(folder) if n.startswith(instead_of)]
        for other in others:
            if other != file:
                place.delete(other)
    return stored


def read_results(
    storage: str | Path, sweep: str | None = None, columns: Iterable[str] = SCHEMA.names
) -> pa.Table:
    """All rows of a storage root, or of one sweep, in the present schema or these `columns` of it.

    A root without results gives an empty table. Columns that an older version did not write are
    null, those of a newer one are left out, and a damaged file is skipped with a warning. Raises
    InvalidValue, listing the valid ones, for an unknown column.
    """
    wanted = [one_of("column", name, SCHEMA.names) for name in dict.fromkeys(columns)]
    place = storage_at(storage)
    table = read_at_once(place, sweep, [*dict.fromkeys([*NEEDED, *wanted])])
    if table is None:
        parts, _ = read_whole(place, sweep)
        table = pa.concat_tables([GENERATIONS.empty_table(), *(part.rows for part in parts)])
    rows = without_repeats(table).sort_by([(name, "ascending") for name in UNIQUE])
    return rows.select(wanted)


def stored_rows(storage: str | Path, sweep: str, key: str) -> list[dict[str, Any]]:
    """The rows of the trial with this content key, in order of epoch; none if it has not ended."""
    file = f"{ROWS}/{sweep}/{key}.parquet"
    content = read_file(storage_at(storage), file)
    if isinstance(content, Content):
        return _in_order(content)
    if content is not None:
        warn_of_damage(file, content)
    return []


def finished_trials(storage: str | Path, sweep: str) -> dict[str, list[dict[str, Any]]]:
    """The rows of each trial of a sweep that has ended, by trial_id, in order of epoch."""
    rows = read_results(storage, sweep).to_pylist()
    ended = {row["trial_id"] for row in rows if row["final"]}
    trials: dict[str, list[dict[str, Any]]] = {trial_id: [] for trial_id in sorted(ended)}
    for row in rows:
        if row["trial_id"] in ended:
            trials[row["trial_id"]].append(row)
    return trials


def compact(storage: str | Path, sweep: str | None = None) -> tuple[int, int]:
    """Merge the files of each sweep into one; returns (files before, rows).

    The merged file is in place before the others go: a crash in between repeats rows, which
    `read_results` drops, and loses none. A damaged file stays where it is, and so does one that
    another version of this program wrote: merged, columns of a newer one would be lost.
    """
    place = storage_at(storage)
    parts, damaged = read_whole(place, sweep)
    by_folder: dict[str, list[Part]] = {}
    for part in parts:
        if part.current:
            by_folder.setdefault(part.folder, []).append(part)
    rows = 0
    for folder, members in by_folder.items():
        table = without_repeats(pa.concat_tables(part.rows for part in members))
        rows += len(table)
        files = sorted(file for part in members for file in part.files)
        before = [g for g in map(generation_of, files) if g != OWN]
        if len(files) == len(before) == 1:
            continue
        digest = hashlib.sha256("\n".join(files).encode()).hexdigest()[:16]
        kept = f"{folder}/{merged_name(max(before, default=0) + 1, digest)}"
        place.write(kept, encoded(table.select(SCHEMA.names), merged=True))
        for file in files:
            place.delete(file)
    others = sum(len(part.files) for part in parts if not part.current)
    if others:
        warnings.warn(f"left {others} files of another version as they are", stacklevel=2)
    return sum(len(part.files) for part in parts) + damaged, rows


def _created(place: Storage, file: str, content: bytes) -> list[dict[str, Any]]:
    """Create a file, or replace a damaged one; returns the rows of one that is there already."""
    while not place.create(file, content):
        found = read_file(place, file)
        if isinstance(found, Content):
            return _in_order(found)
        if found is not None:
            place.write(file, content)
            break
    return []


def _in_order(content: Content) -> list[dict[str, Any]]:
    return list(content.rows.sort_by("epoch").to_pylist())
