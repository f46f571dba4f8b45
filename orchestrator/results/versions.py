"""Which rows of a trial count when several files have some, whatever the clocks of nodes say.

A crash while files are merged leaves the same rows twice, a worker that was cut off may store a
trial again after its rows were merged, and a baseline that was made anew has another key.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.results.files import GENERATION, TRIAL, UNIQUE

KEY, ENDED = "trial_key", "finished_at"
VERSION = [*TRIAL, KEY, GENERATION, ENDED]
"""Rows alike in these were written together."""
NEEDED = dict.fromkeys([*UNIQUE, KEY, ENDED])
"""Columns of files without which it cannot be said which rows count."""


def without_repeats(table: pa.Table) -> pa.Table:
    """One row per epoch of a trial, all of a trial from one version of it.

    Of one key the oldest generation counts: the study was told of it. Of several keys the newest.
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
    """The version of each trial that counts."""
    first: dict[tuple[Any, ...], int] = {}
    for v in versions:
        key = *(v[name] for name in TRIAL), v[KEY]
        first[key] = min(v[GENERATION], first.get(key, v[GENERATION]))
    newest: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    chosen: dict[tuple[Any, ...], dict[str, Any]] = {}
    for v in versions:
        trial = tuple(v[name] for name in TRIAL)
        # Two keys in files of their own: the crash was just before the older one was deleted.
        order = v[GENERATION], v[ENDED] or 0, v[KEY] or ""
        if v[GENERATION] == first[*trial, v[KEY]] and order > newest.get(trial, (-1,)):
            newest[trial], chosen[trial] = order, v
    return list(chosen.values())


def _names(versions: pa.Table) -> pa.Array:
    """One text for each version; a null would equal nothing."""
    texts = [versions[name].combine_chunks().cast(pa.string()) for name in VERSION]
    return pc.binary_join_element_wise(*texts, "\0", null_handling="replace")
