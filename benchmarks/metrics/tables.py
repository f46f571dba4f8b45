"""The table of each task: a line per metric, from the rows of a Parquet file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.report import show, write
from tasks.evaluation import every_metric, list_of_shadows

Row = dict[str, Any]
TABLE = ("task", "references", "shadows")
"""What a table has in common."""
KEY = (*TABLE, "model", "metric")


def read_rows(file: Path) -> list[Row]:
    """Read what `replace_rows` wrote."""
    import pyarrow.parquet as pq

    found: list[Row] = pq.read_table(file).to_pylist()
    return found


def replace_rows(rows: list[Row], out: Path) -> None:
    """Write rows in place of those of the same table, model and metric; others stay."""
    new = {tuple(row[name] for name in KEY) for row in rows}
    before = read_rows(out) if out.exists() else []
    kept = [row for row in before if tuple(row[name] for name in KEY) not in new]
    write([*kept, *rows], out)


def print_tables(rows: list[Row], markdown: bool) -> None:
    """Print a table for each task and number of models."""
    for table in dict.fromkeys(tuple(row[name] for name in TABLE) for row in rows):
        found = [row for row in rows if tuple(row[name] for name in TABLE) == table]
        task, references, shadows = table
        title = f"{task}, {references} references" + (
            f", {shadows} shadow models" if shadows else ""
        )
        models = list(dict.fromkeys(row["model"] for row in found))
        header = ["metric", "tier", "ideal", *models, "ms", "first", "MB"]
        cells = list_cells(found, models)
        if not markdown:
            show(title, header, cells)
            continue
        lines = [f"| {' | '.join(line)} |" for line in (header, *cells)]
        lines.insert(1, "|---" * len(header) + "|")
        print(f"\n{title}\n", *lines, sep="\n")


def list_cells(rows: list[Row], models: list[str]) -> list[list[str]]:
    """Give a line per metric that has a value: for each model, then its seconds and megabytes."""
    cells, trained = [], list_of_shadows()
    for name, metric in every_metric().items():
        found = [row for row in rows if row["metric"] == name]
        if all(row["value"] is None for row in found):
            continue
        values = [
            spell([row["value"] for row in found if row["model"] == model]) for model in models
        ]
        seconds = [row["seconds"] for row in found]
        took = spell_time(seconds[-1]), spell_time(max(seconds[:2])), spell_peak(found)
        tier = "shadows" if name in trained else metric.tier
        cells.append([f"`{name}`", tier, spell_ideal(metric.best), *values, *took])
    return cells


def spell(values: list[float | None]) -> str:
    """Spell the mean of a model's values, or of several references', without the 0 before the point."""
    found = [value for value in values if value is not None]
    if not found:
        return "–"
    text = f"{round(sum(found) / len(found), 3) + 0.0:.3f}"  # no -0.000
    return text.replace("0.", ".", 1) if text.removeprefix("-").startswith("0.") else text


def spell_time(seconds: float) -> str:
    """Spell seconds in milliseconds, with two digits."""
    return f"{float(f'{1e3 * seconds:.2g}'):g}"


def spell_peak(rows: list[Row]) -> str:
    """Spell the largest peak of memory, in whole megabytes."""
    found = [row["megabytes"] for row in rows if row["megabytes"] is not None]
    return f"{max(found):.0f}" if found else "–"


def spell_ideal(best: str | float) -> str:
    """Spell where the ideal is."""
    named = {"up": "↑", "down": "↓", "references": "r"}
    return f"{best:g}" if isinstance(best, float) else named[best]
