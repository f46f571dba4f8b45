"""The results store: one Parquet dataset per storage root, one atomic file per finished trial.

    <storage>/rows/<sweep>/<trial key>.parquet

A file appears whole or not at all; running the same trial again replaces its own file. Any
Parquet reader opens it. Needs pyarrow alone, and boto3 for a storage root in a bucket.
"""

from __future__ import annotations

import functools
import hashlib
import posixpath
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from orchestrator.columns import COLUMNS
from tasks.storage import Storage, several_at_a_time, storage_at

__all__ = [
    "COLUMNS",
    "SCHEMA",
    "compact",
    "finished_trials",
    "read_results",
    "stored_rows",
    "write_rows",
]

ROWS = "rows"
COMPACTED = "compacted-"
TRIAL = ["sweep", "trial_id"]
UNIQUE = [*TRIAL, "epoch"]

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


CHECKED = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
PARQUET = ds.ParquetFileFormat(default_fragment_scan_options=CHECKED)


class Content(NamedTuple):
    """What a whole file holds."""

    rows: pa.Table
    """In the present schema."""
    current: bool
    """Whether the file's own schema is the present one too."""


def write_rows(storage: str | Path, sweep: str, key: str, rows: Iterable[dict[str, Any]]) -> str:
    """Store the rows of one trial as one file named by its content key; returns its path.

    Absent columns become null; an unknown column is an error (ValueError).
    """
    records = list(rows)
    unknown = {name for row in records for name in row} - set(COLUMNS)
    if unknown:
        raise ValueError(f"unknown columns: {', '.join(sorted(unknown))}")
    table = pa.Table.from_pylist(records, schema=SCHEMA)
    return _put(storage_at(storage), f"{ROWS}/{sweep}/{key}.parquet", table)


def read_results(storage: str | Path, sweep: str | None = None) -> pa.Table:
    """All rows of a storage root, or of one sweep, in the present schema.

    A root without results gives an empty table. Columns that an older version did not write are
    null, those of a newer one are left out, and a damaged file is skipped with a warning.
    """
    place = storage_at(storage)
    table = _at_once(place, sweep)
    if table is None:
        whole, _ = _whole(place, sweep)
        table = pa.concat_tables([SCHEMA.empty_table(), *(c.rows for c in whole.values())])
    return _without_repeats(table).sort_by([(name, "ascending") for name in UNIQUE])


def stored_rows(storage: str | Path, sweep: str, key: str) -> list[dict[str, Any]]:
    """The rows of the trial with this content key, in order of epoch; none if it has not ended."""
    file = f"{ROWS}/{sweep}/{key}.parquet"
    content = _content(storage_at(storage), file)
    if isinstance(content, Content):
        return list(content.rows.sort_by("epoch").to_pylist())
    if content is not None:
        _warn_of_damage(file, content)
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
    whole, damaged = _whole(place, sweep)
    by_folder: dict[str, dict[str, pa.Table]] = {}
    for file, content in whole.items():
        if content.current:
            by_folder.setdefault(posixpath.dirname(file), {})[file] = content.rows
    rows = 0
    for folder, members in by_folder.items():
        table = _without_repeats(pa.concat_tables(members.values()))
        rows += len(table)
        names = hashlib.sha256("\n".join(sorted(members)).encode()).hexdigest()[:16]
        kept = f"{folder}/{COMPACTED}{names}.parquet"
        _put(place, kept, table)
        for file in members.keys() - {kept}:
            place.delete(file)
    others = [file for file, content in whole.items() if not content.current]
    if others:
        warnings.warn(f"left {len(others)} files of another version as they are", stacklevel=2)
    return len(whole) + damaged, rows


def _put(place: Storage, file: str, table: pa.Table) -> str:
    content = pa.BufferOutputStream()
    pq.write_table(table, content, write_page_checksum=True)
    place.write(file, content.getvalue().to_pybytes())
    return f"{place.root}/{file}"


def _at_once(place: Storage, sweep: str | None) -> pa.Table | None:
    """All rows if the files are on a file system and whole: Arrow reads them on all cores."""
    if place.folder is None:
        return None
    files = [str(place.folder / file) for file in _files(place, sweep)]
    try:
        table = ds.dataset(files, schema=SCHEMA, format=PARQUET).to_table() if files else None
    except Exception:  # the file that is damaged, or gone, is found by reading each
        return None
    return None if table is None or _nameless(table) else table


def _whole(place: Storage, sweep: str | None) -> tuple[dict[str, Content], int]:
    """Every whole file, and how many are damaged, which a warning says for each."""
    while True:
        files = _files(place, sweep)
        contents = list(several_at_a_time(place, functools.partial(_content, place), files))
        if all(content is not None for content in contents):
            break  # else one was merged into another meanwhile
    whole = {}
    for file, content in zip(files, contents, strict=True):
        if isinstance(content, Content):
            whole[file] = content
        else:
            _warn_of_damage(f"{place.root}/{file}", content)
    return whole, len(files) - len(whole)


def _files(place: Storage, sweep: str | None) -> list[str]:
    sweeps = [f"{sweep}/"] if sweep else [n for n in place.names(ROWS) if n.endswith("/")]
    paths = (
        f"{ROWS}/{folder}{name}" for folder in sweeps for name in place.names(f"{ROWS}/{folder}")
    )
    return [
        p for p in paths if p.endswith(".parquet") and not posixpath.basename(p).startswith("_")
    ]


def _content(place: Storage, file: str) -> Content | Exception | None:
    """What a file holds, what is wrong with it, or None if there is none."""
    try:
        content = place.read(file)
    except OSError as error:
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


def _nameless(table: pa.Table) -> bool:
    return any(table[name].null_count for name in UNIQUE)


def _warn_of_damage(file: str, error: Exception | None) -> None:
    reason = next(iter(str(error).splitlines()), "")
    warnings.warn(f"skipped a damaged results file: {file} ({reason})", stacklevel=4)


def _without_repeats(table: pa.Table) -> pa.Table:
    """One row per epoch of a trial, as it was written when the trial ended last."""
    if not len(table):
        return table
    ordered = table.sort_by("finished_at")
    ranked = ordered.select([*UNIQUE, "finished_at"])
    ranked = ranked.append_column("rank", pa.array(range(len(table)), pa.int64()))
    # A trial that was run again may have fewer epochs: its older rows go as a whole.
    ended = ranked.group_by(TRIAL).aggregate([("finished_at", "max")])
    ranked = ranked.join(ended, TRIAL)
    older = pc.less(ranked["finished_at"], ranked["finished_at_max"])
    current = ranked.filter(pc.invert(pc.fill_null(older, False)))
    return ordered.take(current.group_by(UNIQUE).aggregate([("rank", "max")])["rank_max"])
