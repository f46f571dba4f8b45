"""The tables of a page, as cells with what they are sorted by; the template makes HTML of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from orchestrator.reporting.front_table import (
    MISSED,
    choose_shown,
    spell_missed,
    spell_searched,
)
from orchestrator.reporting.page.content import SweepContent
from orchestrator.results.columns import COLUMNS, find_bounds
from orchestrator.results.confirmation.table import (
    spell_estimate,
)
from orchestrator.results.figures.axes import COST
from orchestrator.results.figures.points import NEITHER, find_kind
from orchestrator.results.figures.values import MISSING, spell_count, spell_value
from orchestrator.results.noise import FEWEST
from orchestrator.results.objectives import front_rows
from orchestrator.results.recommendation import (
    RULE,
    TIED,
    Lack,
    choose_of_each_method,
    explain_lack,
    recommend_for_methods,
    split_by_method,
)
from orchestrator.results.sweep_rows import ORIGINAL, RETRAINED, Row

ANOTHER = "another retrain, ±"
RETRAIN = f"{ANOTHER}: a further retrain lies within it of the mean with 95 % probability; given from three on."
SHORT = {
    Lack.POINT: "gave no point",
    Lack.GAIN: "does not beat the original",
    Lack.LIMITS: "does not meet what is required",
    Lack.SCORE: "has no score",
}
"""Why a method has no recommended point, below its name."""


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


METHOD = Heading("method", "name of the method", number=False)
HYPER_PARAMETERS = Heading("hyper-parameters", "those that the search chose", number=False)


def make_front_table(content: SweepContent) -> SortedTable:
    """Return the points of the front by cost, below the models and the noise between retrains."""
    front = content.front
    rows = []
    for row in sorted(front.front, key=lambda row: row[COST] or 0.0):
        mark = _mark(content, row)
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
            METHOD,
            Heading("epoch"),
            *_headings(content.shown),
            HYPER_PARAMETERS,
        ],
        rows,
        [[name, Cell(""), *values, Cell("")] for name, values in _list_models(content)],
        [
            front.caption,
            f"* recommended: {RULE}.",
            f"≈ tied: {TIED}.",
            *(
                [f"{MISSED} {spell_missed(content.objective)}."]
                if content.objective.required
                else []
            ),
            RETRAIN,
        ],
    )


def _mark(content: SweepContent, row: Row) -> str:
    """Return what stands before a point of the front, as in the terminal."""
    if not content.objective.meets_limits(row):
        return MISSED
    front = content.front
    return "*" if row is front.recommended else "≈" if front.is_tied(row) else ""


def make_methods_table(content: SweepContent) -> SortedTable:
    """Return each method at its recommended point, else its best attempt, with what fresh seeds say of it."""
    recommended = recommend_for_methods(content.rows, content.objective)
    split = split_by_method(content.rows)
    chosen = {
        row["unlearner"]: row for row in choose_of_each_method(content.rows, content.objective)
    }
    rows = []
    for method in content.methods:
        row = chosen.get(method)
        on_front = _number(_count(content.front.front, method))
        told = [] if row is None else [f"{row['trial_id']}, epoch {row['epoch']}"]
        if recommended.get(method) is None:
            own = front_rows(split[method], content.objective)
            told.append(SHORT[explain_lack(own, content.objective, measured=row is not None)])
        values = (
            [Cell(MISSING)] * len(content.shown)
            if row is None
            else _measured_cells(content, row, content.shown)
        )
        params = _text(spell_searched(row) if row else "")
        name = Cell(method, method, "; ".join(told))
        rows.append([name, _count_trials(content, method), on_front, *values, params])
    header = [
        METHOD,
        Heading("trials", "trials that ended"),
        Heading("on the front", "points of the method on the front of the sweep"),
        *_headings(content.shown),
        HYPER_PARAMETERS,
    ]
    models = [
        [name, Cell(""), Cell(""), *values, Cell("")] for name, values in _list_models(content)
    ]
    notes = [
        f"Best: {RULE}, on the front of this method alone; else the point with the highest accuracy × "
        "indistinguishability.",
        "n seeds: the mean over fresh seeds, and from three seeds on ± half its 95 % interval. AUC: the 95 % interval "
        "of the loss attack.",
        RETRAIN,
    ]
    return SortedTable("Each method at its best point", header, rows, models, notes)


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
        rows.append(
            [
                _text(name),
                *map(_text, asked),
                *map(_number, (config.seed, content.ended, len(content.front.front))),
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
        note = ""
        if found:
            mean = spell_estimate(found, *find_bounds(column))
            note = f"{spell_count(found.n, 'seed')}: {mean}"
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
    if floor is not None and len(references) >= FEWEST:
        widths = {name: floor.tell_width(name) for name in content.shown}
        yield Cell(ANOTHER), [Cell(spell_value(n, w)) for n, w in widths.items()]


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


def _number(value: float) -> Cell:
    return Cell(str(value), value)


def _text(text: str) -> Cell:
    return Cell(text, text)
