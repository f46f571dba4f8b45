"""The choice of a trial's valid rows when several files have some. Clocks of nodes play no part.

There are three causes. A crash during a merge leaves the same rows twice. A worker that lost its
connection may store a trial again after its rows were merged. A baseline that was trained again has
another key.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.results.files import GENERATION, TRIAL, UNIQUE

KEY, ENDED = "trial_key", "finished_at"
VERSION = [*TRIAL, KEY, GENERATION, ENDED]
"""Columns that are equal in rows that were written together."""
NEEDED = dict.fromkeys([*UNIQUE, KEY, ENDED])
"""Columns that the choice of valid rows needs."""


def drop_repeats(table: pa.Table) -> pa.Table:
    """Return one row per epoch of a trial; all rows of a trial come from one version.

    Among versions with one key, the oldest generation is valid, because the study learned from it.
    Among several keys, the newest is valid.
    """
    if not len(table):
        return table
    marks = table.select(VERSION)
    marks = marks.set_column(VERSION.index(ENDED), ENDED, marks[ENDED].cast(pa.int64()))
    versions = marks.group_by(VERSION).aggregate([])
    if len(versions) > len(versions.group_by(TRIAL).aggregate([])):
        counting = pa.Table.from_pylist(_counting(versions.to_pylist()), schema=versions.schema)
        table = table.filter(pc.is_in(_names(marks), value_set=_names(counting)))
    rows = table.select(UNIQUE).append_column("row", pa.array(range(len(table)), pa.int64()))
    return table.take(rows.group_by(UNIQUE).aggregate([("row", "min")])["row_min"])


def _counting(versions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the valid version of each trial."""
    first: dict[tuple[Any, ...], int] = {}
    for v in versions:
        key = *(v[name] for name in TRIAL), v[KEY]
        first[key] = min(v[GENERATION], first.get(key, v[GENERATION]))
    newest: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    chosen: dict[tuple[Any, ...], dict[str, Any]] = {}
    for v in versions:
        trial = tuple(v[name] for name in TRIAL)
        # Two keys in two files: a crash happened just before the older file was deleted.
        order = v[GENERATION], v[ENDED] or 0, v[KEY] or ""
        if v[GENERATION] == first[*trial, v[KEY]] and order > newest.get(trial, (-1,)):
            newest[trial], chosen[trial] = order, v
    return list(chosen.values())


def _names(versions: pa.Table) -> pa.Array:
    """Return one text per version. Texts are compared, because a null would equal nothing."""
    texts = [versions[name].combine_chunks().cast(pa.string()) for name in VERSION]
    return pc.binary_join_element_wise(*texts, "\0", null_handling="replace")
