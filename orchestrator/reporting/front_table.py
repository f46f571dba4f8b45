"""Tables in the terminal: the Pareto front of a sweep with its two baselines, and a confirmed front."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table

from orchestrator.config import SweepConfig
from orchestrator.reporting.plain_text import make_cell, make_plain
from orchestrator.reporting.recommended import NEEDED, list_recommendation
from orchestrator.results.columns import COLUMNS, HEADED
from orchestrator.results.confirmation import read_confirmation
from orchestrator.results.confirmation_table import HEADER, list_lines, list_notes, list_requested
from orchestrator.results.noise import find_noise_floor
from orchestrator.results.objectives import SCORING, front_rows, objective_named
from orchestrator.results.recommendation import TIED, choose_point, find_tied
from orchestrator.results.store import read_results
from orchestrator.results.sweep_rows import ORIGINAL, RETRAINED, Sweep
from tasks.errors import InvalidValue
from tasks.search_space import parameters
from tasks.unlearners import loaded_unlearner_class

Row = dict[str, Any]

SHOWN = tuple(name for name in HEADED if COLUMNS[name].half != "validation")
"""Columns of the table, reported on the test half; the front is chosen on the validation half."""
ANOTHER = "  another retrain, ±"
"""The noise floor: half the interval that holds a further retrain with 95 % probability."""
MISSED = "!"
"""Mark of a point that does not meet a limit of the objective."""
ABOUT = "trial_id", "finished_at", "role", "unlearner", "state", "epoch", "params"
"""Columns that identify a row."""


def print_front(config: SweepConfig, console: Console) -> None:
    """Print the front of a sweep and the place of its results."""
    objective = objective_named(config.aim)
    columns = [*ABOUT, *NEEDED, *SHOWN, *SCORING, *objective.columns]
    rows = read_results(config.storage, config.name, columns).to_pylist()
    chosen, floor = front_rows(rows, objective), find_noise_floor(rows)
    best = choose_point(chosen, floor, objective)
    chosen.sort(key=lambda row: row[objective.metrics[0]] if row.get(objective.metrics[0]) else 0)
    table = Table(title=make_cell(f"Pareto front of {config.name}"))
    table.add_column("")
    table.add_column("method", no_wrap=True)
    for column in SHOWN:
        table.add_column(COLUMNS[column].headline or column, justify="right", no_wrap=True)
    table.add_column("hyper-parameters", overflow="fold")
    for name, values in _model_lines(rows):
        table.add_row("", name, *(_number(value) for value in values), "")
    ties = find_tied(chosen, floor, objective)
    for row, tied in zip(chosen, ties, strict=True):
        cells = [_number(row[column]) for column in SHOWN]
        mark = "*" if row is best else "≈" if tied else ""
        mark = mark if objective.meets_limits(row) else MISSED
        method = make_cell(row["unlearner"] or "-")
        table.add_row(mark, method, *cells, make_cell(spell_searched(row)))
    console.print(table)
    said = [f"The front is chosen on: {', '.join(objective.metrics)}."]
    if not chosen and any(row["role"] == "trial" for row in rows):
        said.append("No point is better than the original model beyond the noise between retrains.")
    if not all(map(objective.meets_limits, chosen)):
        limits = ", ".join(map(str, objective.required))
        said.append(f"{MISSED} does not meet what is required: {limits}")
    if any(ties):
        said.append(f"≈ {TIED}")
    if best is not None:
        said.extend(list_recommendation(config, best))
    for text in (*said, f"{len(rows)} rows under {config.storage}/rows/{config.name}"):
        console.print(make_plain(text), soft_wrap=True, highlight=False, markup=False)


def _model_lines(rows: list[Row]) -> Iterator[tuple[str, list[float | None]]]:
    """Yield the values of the original, of the references' mean, and of the noise between retrains."""
    sweep = Sweep("", rows)
    original, references = sweep.baseline(ORIGINAL), sweep.references
    if original is not None:
        yield ORIGINAL, [original[column] for column in SHOWN]
    if len(references) == 1:
        yield RETRAINED, [references[0][column] for column in SHOWN]
    if len(references) < 2:
        return
    found = [[r[c] for r in references if r[c] is not None] for c in SHOWN]
    mean = [statistics.fmean(values) if values else None for values in found]
    yield f"{RETRAINED}, mean of {len(references)}", mean
    floor = find_noise_floor(rows)
    if floor is not None:
        yield (
            ANOTHER,
            [floor.width(c) if len(v) > 1 else None for c, v in zip(SHOWN, found, strict=True)],
        )


def print_confirmed(config: SweepConfig, points: str, console: Console) -> None:
    """Print the means of a sweep's chosen points (see POINTS) over fresh seeds."""
    name, storage = config.name, config.storage
    assert name is not None
    found = read_confirmation(storage, name, config.aim, points)
    table = Table(title=make_cell(f"{points.capitalize()} of {name}, run again with fresh seeds"))
    for heading in HEADER:
        justify: Any = "left" if heading == HEADER[0] else "right"
        table.add_column(heading, justify=justify)
    table.add_column("hyper-parameters", overflow="fold", min_width=16)
    for model, cells in list_lines(found):
        table.add_row(*map(make_cell, [*cells, spell_searched(model.searched)]))
    _print_whole(table, console)
    header, lines = list_requested(found)
    if lines:
        requested = Table(title="Metrics on request, over fresh seeds")
        for heading in header:
            requested.add_column(heading, overflow="fold")
        for cells in lines:
            requested.add_row(*cells)
        _print_whole(requested, console)
    for text in list_notes(found):
        console.print(make_plain(text), highlight=False, soft_wrap=True, markup=False)


def _print_whole(table: Table, console: Console) -> None:
    """Print a table; a file or a pipe has no limited width, so that nothing is cut there."""
    if not console.is_terminal:
        unbounded = console.options.update(max_width=10_000)
        console.width = max(console.width, console.measure(table, options=unbounded).maximum)
    console.print(table)


def spell_searched(row: Row) -> str:
    """Return the searched hyper-parameters of a row as text, and others that are not at their default.

    The epochs are those of this point. An older row may have hyper-parameters that its method does not declare
    any more: they are included. If the method is not installed any more, all are included.
    """
    if row["role"] != "trial":
        return ""
    params = json.loads(row["params"] or "{}")
    try:
        declared = parameters(loaded_unlearner_class(row["unlearner"] or ""))
    except InvalidValue:
        declared = {}
    names = [
        name
        for name, p in declared.items()
        if p.domain is not None or params.get(name, p.default) != p.default
    ]
    names += [name for name in params if name not in declared]
    if "epochs" in names:
        params["epochs"] = row["epoch"]
    return " ".join(f"{name}={_number(params.get(name))}" for name in names)


def _number(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
