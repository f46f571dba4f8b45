"""The end of a sweep in the terminal: its Pareto front, beside the two baselines, and what is confirmed of it."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console
from rich.table import Table

from orchestrator.config import SweepConfig
from orchestrator.results.columns import COLUMNS, HEADED
from orchestrator.results.confirmation import read_confirmation
from orchestrator.results.confirmation_table import HEADER, lines, notes
from orchestrator.results.objectives import front_rows, objective_named
from orchestrator.results.store import read_results
from tasks.errors import InvalidValue
from tasks.search_space import parameters
from tasks.unlearners import unlearner_class

Row = dict[str, Any]

SHOWN = tuple(name for name in HEADED if COLUMNS[name].half != "validation")
"""Columns of the table, reported on the test half; the front is chosen on the validation half."""
ABOUT = "role", "unlearner", "state", "epoch", "params"
"""Columns that say what a row is of."""


def print_front(config: SweepConfig, console: Console) -> None:
    """Print the front and where the results are."""
    objective = objective_named(config.objective)
    columns = [*ABOUT, *SHOWN, *objective.columns]
    rows = read_results(config.storage, config.name, columns).to_pylist()
    chosen = front_rows(rows, objective)
    chosen.sort(key=lambda row: row[objective.metrics[0]] if row.get(objective.metrics[0]) else 0)
    table = Table(title=f"Pareto front of {config.name}")
    table.add_column("method", no_wrap=True)
    for column in SHOWN:
        table.add_column(COLUMNS[column].headline or column, justify="right", no_wrap=True)
    table.add_column("hyper-parameters", overflow="fold")
    for row in [r for r in rows if r["role"] != "trial"] + chosen:
        name = row["unlearner"] if row["role"] == "trial" else row["role"]
        table.add_row(name, *(_number(row[column]) for column in SHOWN), searched(row))
    console.print(table)
    console.print(f"The front is chosen on: {', '.join(objective.metrics)}.", soft_wrap=True)
    console.print(f"{len(rows)} rows under {config.storage}/rows/{config.name}", soft_wrap=True)


def print_confirmed(config: SweepConfig, console: Console) -> None:
    """Print what the repeats of a sweep's front say."""
    name, storage = config.name, config.storage
    assert name is not None
    found = read_confirmation(storage, name, config.objective)
    table = Table(title=f"Front of {name}, run again with fresh seeds")
    for heading in HEADER:
        justify: Any = "left" if heading == HEADER[0] else "right"
        table.add_column(heading, justify=justify, no_wrap=True)
    table.add_column("hyper-parameters", overflow="fold", min_width=16)
    for model, cells in lines(found):
        table.add_row(*cells, searched(model.searched))
    console.print(table)
    for text in notes(found):
        console.print(text, highlight=False, soft_wrap=True)


def searched(row: Row) -> str:
    """The hyper-parameters that were searched, the epoch of this point among them.

    Of an older row, what it has; those that its method declares no more too, all if that is gone.
    """
    if row["role"] != "trial":
        return ""
    params = json.loads(row["params"] or "{}")
    try:
        declared = parameters(unlearner_class(row["unlearner"] or ""))
    except InvalidValue:
        declared = {}
    names = [name for name, p in declared.items() if p.domain is not None]
    names += [name for name in params if name not in declared]
    if "epochs" in names:
        params["epochs"] = row["epoch"]
    return " ".join(f"{name}={_number(params.get(name))}" for name in names)


def _number(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
