"""The choice of a trial's valid rows when several files have some. Clocks of nodes play no part.

Arrow's functions are imported where there are rows: they take a fifth of a second, which a first trial would wait for.

There are three causes. A crash during a merge leaves the same rows twice. A worker that lost its
connection may store a trial again after its rows were merged. A baseline that was trained again has
another key.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa

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
        import pyarrow.compute as pc

        counting = pa.Table.from_pylist(_counting(versions.to_pylist()), schema=versions.schema)
        table = table.filter(pc.is_in(_names(marks), value_set=_names(counting)))
    numbers = pa.array(np.arange(len(table)))
    rows = table.select(UNIQUE).append_column("row", numbers)
    first = rows.group_by(UNIQUE).aggregate([("row", "min")])["row_min"]
    return table if len(first) == len(table) else table.take(first)


def sort_rows(table: pa.Table) -> pa.Table:
    """Return the rows by UNIQUE; merged files are in this order already, and a million rows take seconds."""
    return table if _is_sorted(table) else table.sort_by([(name, "ascending") for name in UNIQUE])


def _is_sorted(table: pa.Table) -> bool:
    """Tell whether the rows are by UNIQUE."""
    if len(table) < 2:
        return True
    import pyarrow.compute as pc

    equal: Any = True
    rising: Any = False
    for name in UNIQUE:
        before, after = table[name].slice(0, len(table) - 1), table[name].slice(1)
        rising = pc.or_(rising, pc.and_(equal, pc.less(before, after)))
        equal = pc.and_(equal, pc.equal(before, after))
    return bool(pc.all(pc.or_(rising, equal)).as_py())


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
    import pyarrow.compute as pc

    texts = [versions[name].combine_chunks().cast(pa.string()) for name in VERSION]
    return pc.binary_join_element_wise(*texts, "\0", null_handling="replace")


BEFORE_REFERENCES = {
    "indistinguishability": "loss_attack_indistinguishability",
    "validation_indistinguishability": "validation_loss_attack_indistinguishability",
}
"""Columns whose meaning changed in 0.2.0, and the names that their old values have since."""
MARK = "references"
"""A column that no row had before."""


def columns_behind(wanted: Iterable[str]) -> list[str]:
    """Return the columns to read for `wanted`, so that rows of before 0.2.0 can be translated."""
    names = list(wanted)
    before = [old for old, new in BEFORE_REFERENCES.items() if old in names or new in names]
    return list(dict.fromkeys([*names, *before, *([MARK] if before else [])]))


def translate_old_rows(table: pa.Table) -> pa.Table:
    """Move values of before 0.2.0 to the columns that have their meaning now."""
    if not len(table):
        return table
    import pyarrow.compute as pc

    for old, new in BEFORE_REFERENCES.items():
        if old not in table.column_names:
            continue
        is_old = pc.is_null(table[MARK])
        if new in table.column_names:
            values = pc.if_else(is_old, pc.coalesce(table[new], table[old]), table[new])
            table = table.set_column(table.column_names.index(new), table.field(new), values)
        values = pc.if_else(is_old, pa.scalar(None, pa.float64()), table[old])
        table = table.set_column(table.column_names.index(old), table.field(old), values)
    return table
