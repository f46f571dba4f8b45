"""Rows of made-up trials, and what lies in a storage root."""

from __future__ import annotations

import io
import warnings
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.results.files import UncheckedRows
from orchestrator.results.store import read_results
from tasks.storage.roots import open_root

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
Row = dict[str, Any]


def trial(trial_id: str, epochs: int = 2, minute: int = 0, **columns: Any) -> list[Row]:
    """The rows of one trial: a point per epoch, the last one final."""
    return [
        {
            "sweep": "s",
            "trial_id": trial_id,
            "role": "trial",
            "references": 2,
            "epoch": epoch,
            "final": epoch == epochs,
            "state": "complete",
            "test_accuracy": epoch / 10,
            "gradient_samples": 1000 * epoch,
            "finished_at": NOON + timedelta(minutes=minute),
            **columns,
        }
        for epoch in range(1, epochs + 1)
    ]


def files(root: str, sweep: str = "s") -> dict[str, bytes]:
    """The files of a sweep and what they hold."""
    storage, folder = open_root(root), f"rows/{sweep}"
    return {name: storage.read(f"{folder}/{name}") or b"" for name in storage.list_names(folder)}


def put(root: str, name: str, content: bytes | pa.Table, version: str | None = None) -> None:
    """Put a file beside the rows of the sweep `s`; `version` makes it one of that schema version."""
    if isinstance(content, pa.Table):
        if version is not None:
            content = content.replace_schema_metadata({"schema_version": version})
        buffer = io.BytesIO()
        pq.write_table(content, buffer)
        content = buffer.getvalue()
    open_root(root).write(f"rows/s/{name}", content)


def identities(table: pa.Table) -> list[tuple[str, str, int]]:
    """Which points a table has."""
    return [(r["sweep"], r["trial_id"], r["epoch"]) for r in table.to_pylist()]


def strictly(root: str, sweep: str | None = None) -> pa.Table:
    """Read where a warning is an error, but for rows of an earlier version that have no checksum."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", UncheckedRows)
        return read_results(root, sweep)
