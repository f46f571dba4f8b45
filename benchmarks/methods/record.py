"""The Parquet file of the table: of each method its chosen point, its repeats, and what its trials cost.

A row is a row of the results store, with a few columns more. Every hyper-parameter is in its `params`.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from orchestrator.results.confirmation.repeats import Repeated, build_confirmation
from orchestrator.results.files import SCHEMA
from orchestrator.results.objectives import Objective, objective_named
from orchestrator.results.recommendation import choose_of_each_method, recommend_for_methods
from orchestrator.results.store import read_results
from orchestrator.results.sweep_rows import TRIAL, Sweep
from tasks.errors import Diverged, InvalidValue
from tasks.unlearners import list_families

Row = dict[str, Any]
RECOMMENDED, ATTEMPT, NOTHING = "recommended", "best attempt", "nothing measured"
"""How a method's point was chosen, see `choose_of_each_method`: in `chosen` of every row of a method."""
ADDED = (
    ("family", pa.string(), "the folder of the method", ""),
    ("chosen", pa.string(), f"how the method's point was chosen: {RECOMMENDED}, {ATTEMPT}, {NOTHING}", ""),
    ("trials", pa.int64(), "trials of the method in the sweep", ""),
    ("failed", pa.int64(), "trials of the method that failed in the sweep, diverged ones included", ""),
    ("diverged", pa.int64(), "trials of the method that diverged in the sweep", ""),
    ("pruned", pa.int64(), "trials of the method that a limit stopped in the sweep", ""),
    ("seconds_per_trial", pa.float64(), "mean wall time of a trial in the sweep: load, unlearn, evaluate", "s"),
    ("busy_seconds_per_trial", pa.float64(), "mean wall time in the unlearner of a trial in the sweep", "s"),
)  # fmt: skip
"""Columns beyond the store's: name, type, help, unit. Counts and means of the search are in each of its rows."""
TABLE = SCHEMA
for _name, _type, _help, _unit in ADDED:
    TABLE = TABLE.append(pa.field(_name, _type, metadata={"help": _help, "unit": _unit}))


def collect_rows(storage: str, name: str, objective: str) -> list[Row]:
    """Return the rows of a confirmed sweep: its models with every seed, then its methods by family.

    A method has the chosen row of the search, and a row for each fresh seed. The row of a trial that
    failed stands where a point was not reached.
    """
    about = (pc.field("sweep") == name) | (pc.field("confirms") == name)
    rows = read_results(storage).filter(about).to_pylist()
    models = [row for row in rows if row["role"] != TRIAL]
    return [*models, *_list_methods(rows, name, objective_named(objective))]


def _list_methods(rows: list[Row], name: str, objective: Objective) -> list[Row]:
    found = {
        point.searched["unlearner"]: point
        for point in build_confirmation(rows, name, objective, "methods").points
    }
    searched = Sweep(name, [row for row in rows if row["sweep"] == name])
    recommended = recommend_for_methods(searched.rows, objective)
    points = {r["unlearner"]: r for r in choose_of_each_method(searched.rows, objective)}
    listed: list[Row] = []
    for method, family in _in_order(recommended):
        chosen = RECOMMENDED if recommended[method] else ATTEMPT if method in points else NOTHING
        ended = [row for row in searched.rows if row["unlearner"] == method and row["final"]]
        kept = [points[method]] if method in points else ended[-1:]
        own = _list_point(found[method], rows) if method in found else kept
        about = {"family": family, "chosen": chosen, **_count_trials(searched, method)}
        listed += [{**row, **about} for row in own]
    return listed


def _in_order(methods: Iterable[str]) -> list[tuple[str, str]]:
    """Return methods with their families, in the order of the registry; plug-ins come last."""
    order = [(name, family) for family, names in list_families().items() for name in names]
    left = set(methods)
    known = [(name, family) for name, family in order if name in left]
    return [*known, *((name, "plug-in") for name in sorted(left - {n for n, _ in known}))]


def _list_point(point: Repeated, rows: Iterable[Row]) -> list[Row]:
    """Return the row of the search, then one a seed: the repeat, or why there is none."""
    missing = point.tried - set(point.repeats)
    ended = {
        row["task_seed"]: row
        for row in rows
        if row["confirms"] and row["final"] and row["unlearner"] == point.searched["unlearner"]
    }
    repeats = {**point.repeats, **{seed: ended[seed] for seed in missing}}
    return [point.searched, *(repeats[seed] for seed in sorted(repeats))]


def _count_trials(sweep: Sweep, method: str) -> Row:
    """Count a method's trials in the search, and average what they took.

    A trial that failed has no seconds in its last row; those of its last point count.
    """
    trials: dict[str, list[Row]] = {}
    for row in sweep.rows:
        if row["role"] == TRIAL and row["unlearner"] == method:
            trials.setdefault(row["trial_id"], []).append(row)
    last = [max(rows, key=lambda row: row["epoch"]) for rows in trials.values()]
    failed = [row for row in last if row["state"] == "failed"]
    measured = [
        max(points, key=lambda row: row["epoch"])
        for rows in trials.values()
        if (points := [row for row in rows if row["unlearn_seconds"] is not None])
    ]
    parts = ("load_seconds", "unlearn_seconds", "evaluate_seconds")
    return {
        "trials": len(last),
        "failed": len(failed),
        "diverged": sum(Diverged.__name__ in (row["error"] or "") for row in failed),
        "pruned": sum(row["state"] == "pruned" for row in last),
        "seconds_per_trial": _mean([sum(row[p] or 0.0 for p in parts) for row in measured]),
        "busy_seconds_per_trial": _mean([row["unlearn_seconds"] for row in measured]),
    }


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None


def write_record(rows: Sequence[Row], path: Path) -> None:
    """Write the rows into the file. Rows of other tasks and models that are there already stay."""
    new = {(row["task"], row["model"]) for row in rows}
    kept = [
        row
        for row in (read_record(path) if path.exists() else [])
        if (row["task"], row["model"]) not in new
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    pq.write_table(pa.Table.from_pylist([*kept, *rows], schema=TABLE), partial, compression="zstd")
    partial.replace(path)


def read_record(path: Path) -> list[Row]:
    """Read the rows of the file. Raises InvalidValue if there is no such file, or if it is another's."""
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise InvalidValue(f"cannot read {path}: {str(error).splitlines()[0]}") from error
    lacking = {"sweep", "unlearner", "chosen"} - set(table.column_names)
    if lacking:
        raise InvalidValue(f"{path} is no table of methods: it lacks {', '.join(sorted(lacking))}")
    return [{**dict.fromkeys(TABLE.names), **row} for row in table.to_pylist()]
