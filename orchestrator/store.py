"""The results store: one Parquet dataset per storage root, one atomic file per finished trial.

    <storage>/rows/<sweep>/<trial key>.parquet

A file appears whole or not at all; running the same trial again replaces its own file. Any
Parquet reader opens it. Needs pyarrow alone.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import uuid
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow import fs

from orchestrator.columns import COLUMNS

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


def filesystem(storage: str | Path) -> tuple[fs.FileSystem, str]:
    """The Arrow file system and the path that a local path or a URI such as s3://bucket/x names."""
    text = str(storage)
    if "://" in text:
        return fs.FileSystem.from_uri(text)
    return fs.LocalFileSystem(), os.path.abspath(os.path.expanduser(text))


def write_rows(storage: str | Path, sweep: str, key: str, rows: Iterable[dict[str, Any]]) -> str:
    """Store the rows of one trial as one file named by its content key; returns its path.

    Absent columns become null; an unknown column is an error (ValueError).
    """
    records = list(rows)
    unknown = {name for row in records for name in row} - set(COLUMNS)
    if unknown:
        raise ValueError(f"unknown columns: {', '.join(sorted(unknown))}")
    table = pa.Table.from_pylist(records, schema=SCHEMA)
    return _put(storage, sweep, f"{key}.parquet", table)


def read_results(storage: str | Path, sweep: str | None = None) -> pa.Table:
    """All rows of a storage root, or of one sweep, in the present schema.

    A root without results gives an empty table. Columns that an older version did not write are
    null, those of a newer one are left out, and a damaged file is skipped with a warning.
    """
    filesystem_, files = _files(storage, sweep)
    try:
        table = _read(filesystem_, files)
    except (pa.ArrowException, OSError):
        whole = dict(_readable(filesystem_, files)).values()
        table = pa.concat_tables([SCHEMA.empty_table(), *whole])
    return _without_repeats(table).sort_by([(name, "ascending") for name in UNIQUE])


def stored_rows(storage: str | Path, sweep: str, key: str) -> list[dict[str, Any]]:
    """The rows of the trial with this content key, in order of epoch; none if it has not ended."""
    filesystem_, root = filesystem(storage)
    file = posixpath.join(root, ROWS, sweep, f"{key}.parquet")
    if filesystem_.get_file_info(file).type == fs.FileType.NotFound:
        return []
    tables = dict(_readable(filesystem_, [file])).values()
    return [row for table in tables for row in table.sort_by("epoch").to_pylist()]


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
    `read_results` drops, and loses none. A damaged file stays where it is.
    """
    filesystem_, files = _files(storage, sweep)
    by_folder: dict[str, list[str]] = {}
    for file in files:
        by_folder.setdefault(posixpath.dirname(file), []).append(file)
    rows = 0
    for folder, members in by_folder.items():
        whole = dict(_readable(filesystem_, members))
        if not whole:
            continue
        table = _without_repeats(pa.concat_tables(whole.values()))
        rows += len(table)
        names = hashlib.sha256("\n".join(sorted(whole)).encode()).hexdigest()[:16]
        kept = _put(storage, posixpath.basename(folder), f"{COMPACTED}{names}.parquet", table)
        for file in whole.keys() - {kept}:
            filesystem_.delete_file(file)
    return len(files), rows


def _put(storage: str | Path, sweep: str, name: str, table: pa.Table) -> str:
    filesystem_, root = filesystem(storage)
    folder = posixpath.join(root, ROWS, sweep)
    path = posixpath.join(folder, name)
    filesystem_.create_dir(folder, recursive=True)
    if not isinstance(filesystem_, fs.LocalFileSystem):
        pq.write_table(table, path, filesystem=filesystem_)  # an object appears when it is complete
        return path
    partial = posixpath.join(folder, f".{name}.{uuid.uuid4().hex}")
    try:
        with open(partial, "wb") as file:
            pq.write_table(table, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
    return path


def _files(storage: str | Path, sweep: str | None) -> tuple[fs.FileSystem, list[str]]:
    filesystem_, root = filesystem(storage)
    folder = posixpath.join(root, ROWS, sweep) if sweep else posixpath.join(root, ROWS)
    selector = fs.FileSelector(folder, allow_not_found=True, recursive=True)
    paths = [info.path for info in filesystem_.get_file_info(selector) if info.is_file]
    visible = (p for p in paths if not posixpath.basename(p).startswith((".", "_")))
    return filesystem_, sorted(p for p in visible if p.endswith(".parquet"))


def _read(filesystem_: fs.FileSystem, files: list[str]) -> pa.Table:
    if not files:
        return SCHEMA.empty_table()
    dataset = ds.dataset(files, schema=SCHEMA, filesystem=filesystem_, format="parquet")
    return dataset.to_table()


def _readable(filesystem_: fs.FileSystem, files: list[str]) -> Iterable[tuple[str, pa.Table]]:
    """Each file and its rows; a damaged one is left out with a warning."""
    for file in files:
        try:
            yield file, _read(filesystem_, [file])
        except (pa.ArrowException, OSError) as error:
            reason = str(error).splitlines()[0]
            warnings.warn(f"skipped a damaged results file: {file} ({reason})", stacklevel=3)


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
