"""The tables of a page, as cells with what they are sorted by; the template makes HTML of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from orchestrator.reporting.front_table import choose_shown, spell_searched
from orchestrator.reporting.page.content import SweepContent
from orchestrator.reporting.page.plot import bound_values
from orchestrator.results.columns import COLUMNS
from orchestrator.results.confirmation.repeats import Confirmation
from orchestrator.results.confirmation.table import (
    list_header,
    list_lines,
    list_notes,
    list_requested,
    spell_estimate,
)
from orchestrator.results.figures.axes import COST
from orchestrator.results.figures.points import NEITHER, find_kind
from orchestrator.results.figures.values import MISSING, spell_value
from orchestrator.results.recommendation import (
    RULE,
    TIED,
    choose_of_each_method,
    recommend_for_methods,
)
from orchestrator.results.sweep_rows import ORIGINAL, RETRAINED, Row

ANOTHER = "another retrain, ±"


@dataclass(frozen=True)
class Cell:
    """Text, what it is sorted by, and a second line."""

    text: str
    value: float | str | None = None
    """None: sorted last, in both directions; a text is sorted by its letters."""
    note: str = ""


@dataclass(frozen=True)
class Heading:
    """The head of a column: its words, its meaning, and whether it holds numbers."""

    text: str
    help: str = ""
    number: bool = True


@dataclass(frozen=True)
class SortedTable:
    """A table that a reader sorts; `models` stand above, and stay there."""

    title: str
    header: list[Heading]
    rows: list[list[Cell]]
    models: list[list[Cell]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


WORDS = {"method": "name of the method", "hyper-parameters": "those that the search chose"}


def make_front_table(content: SweepContent) -> SortedTable:
    """Return the points of the front by cost, below the models and the noise between retrains."""
    front = content.front
    rows = []
    for row in sorted(front.front, key=lambda row: row[COST] or 0.0):
        mark = "*" if row is front.recommended else "≈" if front.is_tied(row) else ""
        kind = "" if find_kind(row) == NEITHER else f", {find_kind(row)}"
        which = f"{row['trial_id']}{kind}"
        method = Cell(f"{mark} {row['unlearner']}".strip(), row["unlearner"], which)
        rows.append(
            [
                method,
                _number(row["epoch"]),
                *_values(row, content.shown),
                _text(spell_searched(row)),
            ]
        )
    return SortedTable(
        f"Pareto front: {len(front.front)} of {len(front.measured)} points of {front.trials} trials",
        [
            _word("method"),
            Heading("epoch"),
            *_headings(content.shown),
            _word("hyper-parameters"),
        ],
        rows,
        [[name, Cell(""), *values, Cell("")] for name, values in _list_models(content)],
        [
            front.caption,
            f"* recommended: {RULE}.",
            f"≈ tied: {TIED}.",
            "Another retrain lies within ± of the mean with 95 % probability.",
        ],
    )


def make_methods_table(content: SweepContent) -> SortedTable:
    """Return each method at its recommended point, else its best attempt, with what fresh seeds say of it."""
    recommended = recommend_for_methods(content.rows, content.objective)
    chosen = {
        row["unlearner"]: row for row in choose_of_each_method(content.rows, content.objective)
    }
    rows = []
    for method in content.methods:
        row = chosen.get(method)
        on_front = _number(_count(content.front.front, method))
        told = [] if row is None else [f"{row['trial_id']}, epoch {row['epoch']}"]
        told += [] if recommended.get(method) is not None else ["does not beat the original"]
        values = (
            [Cell(MISSING)] * len(content.shown)
            if row is None
            else _measured_cells(content, row, content.shown)
        )
        params = _text(spell_searched(row) if row else "")
        name = Cell(method, method, "; ".join(told))
        rows.append([name, _count_trials(content, method), on_front, *values, params])
    header = [
        _word("method"),
        Heading("trials", "trials that ended"),
        Heading("on the front", "points of the method on the front of the sweep"),
        *_headings(content.shown),
        _word("hyper-parameters"),
    ]
    models = [
        [name, Cell(""), Cell(""), *values, Cell("")] for name, values in _list_models(content)
    ]
    notes = [
        f"Best: {RULE}, on the front of this method alone; else the point with the highest accuracy × "
        "indistinguishability.",
        "n seeds: the mean over fresh seeds, with its 95 % interval. AUC: the 95 % interval of the loss attack.",
    ]
    return SortedTable("Each method at its best point", header, rows, models, notes)


def make_confirmed_tables(content: SweepContent) -> Iterator[SortedTable]:
    """Yield the tables of `confirm`: the front, then one point of each method."""
    for which, found in content.confirmations.items():
        yield _make_confirmed(f"{which.capitalize()}, run again with fresh seeds", found)
        header, lines = list_requested(found)
        if lines:
            yield SortedTable(
                f"Metrics on request, {which}, over fresh seeds",
                [Heading(text, number=n > 1) for n, text in enumerate(header)],
                [[Cell(text, text) for text in line] for line in lines],
            )


def _make_confirmed(title: str, found: Confirmation) -> SortedTable:
    models: list[list[Cell]] = []
    rows: list[list[Cell]] = []
    for model, cells in list_lines(found):
        line = [
            Cell(cells[0], cells[0]),
            *(Cell(text, _leading_number(text)) for text in cells[1:]),
        ]
        line.append(_text(spell_searched(model.searched)))
        (rows if model.searched["role"] == "trial" else models).append(line)
    header = [
        Heading(" ".join(text.replace("-\n", "").split()), number=n > 0)
        for n, text in enumerate(list_header(found))
    ]
    return SortedTable(title, [*header, _word("hyper-parameters")], rows, models, list_notes(found))


def make_comparison(contents: Sequence[SweepContent]) -> SortedTable:
    """Return a row for each sweep: what it was asked, and what it recommends."""
    shown = choose_shown(row for content in contents for row in content.rows)
    rows = []
    for content in contents:
        config, row, name = content.config, content.front.recommended, content.name
        asked = [config.task or "", config.objective, config.model]
        values = (
            [Cell(MISSING)] * len(shown) if row is None else _measured_cells(content, row, shown)
        )
        method = (
            Cell("none", "")
            if row is None
            else Cell(row["unlearner"], row["unlearner"], f"epoch {row['epoch']}")
        )
        ended = len(content.sweep.finals) + len(content.sweep.pruned) + len(content.sweep.failures)
        rows.append(
            [
                _text(name),
                *map(_text, asked),
                *map(_number, (config.seed, ended, len(content.front.front))),
                method,
                *values,
            ]
        )
    words = [Heading(text, number=False) for text in ("sweep", "task", "objective", "model")]
    counts = [
        Heading("seed"),
        Heading("trials"),
        Heading("on the front"),
        Heading("recommended", number=False),
    ]
    return SortedTable("The sweeps side by side", [*words, *counts, *_headings(shown)], rows)


def _measured_cells(content: SweepContent, row: Row, columns: Sequence[str]) -> list[Cell]:
    """Return the values of a point, each with its interval over fresh seeds below, where there is one."""
    point = content.find_repeated(row)
    cells = []
    for column in columns:
        found = point.over_seeds(column) if point else None
        note = f"{found.n} seeds: {spell_estimate(found, *bound_values(column))}" if found else ""
        if not note and column == "mia_class_matched_accuracy":
            note = _spell_auc(row)
        cells.append(Cell(spell_value(column, row[column]), row[column], note))
    return cells


def _spell_auc(row: Row) -> str:
    low, high = row["loss_attack_auc_low"], row["loss_attack_auc_high"]
    return "" if low is None or high is None else f"AUC [{low:.2f}, {high:.2f}]"


def _list_models(content: SweepContent) -> Iterator[tuple[Cell, list[Cell]]]:
    """Yield the original, the references' mean, and the noise between retrains."""
    original, references = content.sweep.baseline(ORIGINAL), content.sweep.references
    if original is not None:
        yield Cell(ORIGINAL), _values(original, content.shown)
    if not references:
        return
    found = {name: [r[name] for r in references if r[name] is not None] for name in content.shown}
    means = {name: sum(v) / len(v) if v else None for name, v in found.items()}
    many = f", mean of {len(references)}" if len(references) > 1 else ""
    yield Cell(f"{RETRAINED}{many}"), [Cell(spell_value(n, m), m) for n, m in means.items()]
    floor = content.front.floor
    if floor is not None:
        widths = {name: floor.width(name) for name in content.shown}
        yield (
            Cell(ANOTHER),
            [Cell(spell_value(n, w) if math.isfinite(w) else MISSING) for n, w in widths.items()],
        )


def _count_trials(content: SweepContent, method: str) -> Cell:
    """Return the number of a method's trials, with those that were stopped and that failed."""
    sweep = content.sweep
    complete, stopped, failed = (
        _count(group, method) for group in (sweep.finals, sweep.pruned, sweep.failures)
    )
    words = [f"{n} {what}" for n, what in ((stopped, "stopped"), (failed, "failed")) if n]
    total = complete + stopped + failed
    return Cell(str(total), total, ", ".join(words))


def _count(rows: Sequence[Row], method: str) -> int:
    return sum(row["unlearner"] == method for row in rows)


def _values(row: Row, columns: Sequence[str]) -> list[Cell]:
    return [Cell(spell_value(name, row[name]), row[name]) for name in columns]


def _headings(columns: Sequence[str]) -> list[Heading]:
    return [Heading(_join(COLUMNS[name].headline or name), COLUMNS[name].help) for name in columns]


def _join(headline: str) -> str:
    """Return a heading in one line: a hyphen at the end of a line splits a word."""
    return headline.replace("-\n", "").replace("\n", " ")


def _word(name: str) -> Heading:
    return Heading(name, WORDS[name], number=False)


def _number(value: float) -> Cell:
    return Cell(str(value), value)


def _text(text: str) -> Cell:
    return Cell(text, text)


def _leading_number(text: str) -> float | None:
    """Return the number that a cell begins with, for sorting."""
    try:
        return float(text.split()[0])
    except (IndexError, ValueError):
        return None
