"""Tables in the terminal: the Pareto front of a sweep with its two baselines, and a confirmed front."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
from rich.console import Console

from orchestrator.config import SweepConfig
from orchestrator.reporting.fitted_table import FittedTable, Line
from orchestrator.reporting.numbers import spell_column, spell_number
from orchestrator.reporting.recommended import NEEDED, list_recommendation
from orchestrator.results.columnar.points import count_trials, has_points, keep_telling
from orchestrator.results.columns import COLUMNS, HEADED
from orchestrator.results.confirmation.repeats import read_confirmation
from orchestrator.results.confirmation.table import (
    list_header,
    list_lines,
    list_notes,
    list_requested,
)
from orchestrator.results.noise import FEWEST, find_noise_floor
from orchestrator.results.objectives import (
    SCORING,
    Objective,
    front_rows,
    objective_named,
    read_value,
)
from orchestrator.results.plain_text import make_plain
from orchestrator.results.recommendation import TIED, choose_point, explain_lack, find_tied
from orchestrator.results.store import read_results
from orchestrator.results.sweep_rows import (
    FORGET_SET,
    FORGOTTEN,
    ORIGINAL,
    RETRAINED,
    Sweep,
    choose_forgotten_column,
)
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
ABOUT = "trial_id", "finished_at", "role", "unlearner", "state", "epoch", "params", "final", "error"
"""Columns that identify a row, and say how its trial ended."""
LABELS = "", "trial", "epoch"
SHORT = {"validation": "valid.", "indistinguishability": "indistin-\nguishability"}
"""Words of headings that would widen a table."""


FRONT_COLUMNS = (*ABOUT, *NEEDED, *SHOWN, FORGET_SET, *SCORING)
"""Columns that a front reads, beside those of the objective."""


def choose_shown(rows: Iterable[Row]) -> tuple[str, ...]:
    """Return the columns of every table of points, with the accuracy on what these rows forget."""
    forgotten = choose_forgotten_column(rows)
    return tuple(forgotten if name == FORGOTTEN else name for name in SHOWN)


def print_front(config: SweepConfig, console: Console, read: pa.Table | None = None) -> None:
    """Print the front of a sweep, why trials failed, and the place of the results.

    `read` are all rows of the sweep with FRONT_COLUMNS, if they were read already.
    """
    objective = objective_named(config.aim)
    every = read
    if every is None:
        every = read_results(config.storage, config.name, [*FRONT_COLUMNS, *objective.columns])
    rows, ended = keep_telling(every, objective).to_pylist(), count_trials(every)
    front, floor = front_rows(rows, objective), find_noise_floor(rows)
    best, ties = choose_point(front, floor, objective), find_tied(front, floor, objective)
    marks = {id(row): "≈" for row, tied in zip(front, ties, strict=True) if tied}
    marks |= {id(best): "*"} if best is not None else {}
    marks |= {id(row): MISSED for row in front if not objective.meets_limits(row)}
    front.sort(key=lambda row: (objective.gains(row) or (0.0,))[0])
    required = (limit.column for limit in objective.required)
    shown = list(dict.fromkeys([*objective.metrics, *required, *choose_shown(rows)]))
    _make_table(config, shown, rows, front, marks).print(console)
    said = [
        f"The front is chosen on {', '.join(objective.metrics)}; its best {objective.metrics[0]} is last."
    ]
    if best is None and ended:
        lack = explain_lack(front, objective, measured=has_points(every, objective))
        said.append(f"{lack.value.capitalize()}.")
    if MISSED in marks.values():
        said.append(f"{MISSED} {spell_missed(objective)}")
    if any(ties):
        said.append(f"≈ {TIED}")
    if best is not None:
        said.extend(list_recommendation(config, best))
    said += Sweep("", rows).list_reasons(ended)
    for text in (*said, f"{len(every)} rows under {config.storage}/rows/{config.name}"):
        console.print(make_plain(text), soft_wrap=True, highlight=False, markup=False)


def _make_table(
    config: SweepConfig, shown: list[str], rows: list[Row], front: list[Row], marks: dict[int, str]
) -> FittedTable:
    """Make the table of the models and the front: of each point the columns `shown`, with its mark by `id`."""
    models = list(_model_lines(rows, shown))
    values = [v for _, v in models] + [[read_value(row, name) for name in shown] for row in front]
    spelled = [spell_column(column) for column in zip(*values, strict=True)]
    cells = list(zip(*spelled, strict=True)) if values else []
    lines = [Line(("", name, ""), row) for (name, _), row in zip(models, cells, strict=False)]
    lines += [
        Line((marks.get(id(row), ""), row["trial_id"], str(row["epoch"])), own, spell_searched(row))
        for row, own in zip(front, cells[len(models) :], strict=True)
    ]
    headings = [spell_heading(name) for name in shown]
    return FittedTable(
        f"Pareto front of {config.name}", LABELS, headings, "hyper-parameters", lines
    )


def spell_missed(objective: Objective) -> str:
    """Say what points marked MISSED do not meet."""
    return f"does not meet what is required: {', '.join(map(str, objective.required))}"


def spell_heading(name: str) -> str:
    """Spell a column as a heading of several short lines."""
    column = COLUMNS.get(name)
    if column is not None and column.headline:
        return column.headline
    return "\n".join(SHORT.get(word, word) for word in name.split("_"))


def _model_lines(rows: list[Row], shown: list[str]) -> Iterator[tuple[str, list[float | None]]]:
    """Yield the values of the original, of the references' mean, and of the noise between retrains."""
    sweep = Sweep("", rows)
    original, references = sweep.baseline(ORIGINAL), sweep.references
    if original is not None:
        yield ORIGINAL, [read_value(original, name) for name in shown]
    if len(references) == 1:
        yield RETRAINED, [read_value(references[0], name) for name in shown]
    if len(references) < 2:
        return
    found = [[v for r in references if (v := read_value(r, name)) is not None] for name in shown]
    yield (
        f"{RETRAINED}, mean of {len(references)}",
        [statistics.fmean(values) if values else None for values in found],
    )
    floor = find_noise_floor(rows)
    if floor is not None and len(references) >= FEWEST:
        yield ANOTHER, [floor.tell_width(name) for name in shown]


def print_confirmed(config: SweepConfig, points: str, console: Console) -> None:
    """Print the means of a sweep's chosen points (see POINTS) over fresh seeds."""
    name, storage = config.name, config.storage
    assert name is not None
    found = read_confirmation(storage, name, config.aim, points)
    lines = [
        Line(cells[:1], cells[1:], spell_searched(model.searched))
        for model, cells in list_lines(found)
    ]
    title = f"{points.capitalize()} of {name}, run again with fresh seeds"
    headings = list_header(found)
    FittedTable(title, headings[:1], headings[1:], "hyper-parameters", lines).print(console)
    header, requested = list_requested(found)
    if requested:
        lines = [Line(cells[:2], cells[2:]) for cells in requested]
        title = "Metrics on request, over fresh seeds"
        FittedTable(title, header[:2], header[2:], "", lines).print(console)
    for text in list_notes(found):
        console.print(make_plain(text), highlight=False, soft_wrap=True, markup=False)


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
    return " ".join(f"{name}={spell_number(params.get(name))}" for name in names)
