"""Tables in a terminal or as Markdown, and the format of column values."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from orchestrator.results.figures.values import MISSING, escape_latex, spell_value
from orchestrator.results.noise import FEWEST, find_noise_floor
from orchestrator.results.plain_text import make_plain
from orchestrator.results.sweep_rows import ORIGINAL, RETRAINED, Row, Sweep

__all__ = [
    "MISSING",
    "Table",
    "list_models",
    "print_latex",
    "print_table",
    "spell_floor",
    "spell_mean",
    "spell_params",
    "spell_spread",
    "spell_value",
]


@dataclass(frozen=True)
class Table:
    """Cells as text; `sections` are the numbers of rows after which a rule is drawn."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    sections: frozenset[int] = frozenset()


def print_table(table: Table, *, markdown: bool = False) -> None:
    """Print a table to standard output; what a terminal would obey comes as its escape."""
    table = _make_plain(table)
    if markdown:
        print(_markdown(table))
        return
    console = Console(emoji=False)  # else `digits-loss:top:60` has one
    grid = _grid(table)
    if not sys.stdout.isatty():  # a file or a pipe has no limited width
        unbounded = console.options.update(max_width=10_000)
        console.width = max(console.width, console.measure(grid, options=unbounded).maximum)
    console.print(Text(table.title, style="bold"), soft_wrap=True)
    console.print(grid)
    if table.caption:
        console.print(Text(f"{table.caption}\n", style="dim"), soft_wrap=True)


def print_latex(table: Table) -> None:
    """Print a table as a LaTeX tabular with the rules of booktabs, its caption as a comment above."""
    table = _make_plain(table)
    lines = [f"% {line}" for line in f"{table.title}\n{table.caption}".splitlines()]
    lines += [f"\\begin{{tabular}}{{l{'r' * (len(table.header) - 1)}}}", r"\toprule"]
    lines += [_latex_line(table.header), r"\midrule"]
    for number, row in enumerate(table.rows, start=1):
        lines.append(_latex_line(row))
        lines += [r"\midrule"] if number in table.sections and number < len(table.rows) else []
    print("\n".join([*lines, r"\bottomrule", r"\end{tabular}"]))


def _latex_line(cells: Sequence[str]) -> str:
    return f"{' & '.join(map(escape_latex, cells))} \\\\"


def spell_mean(values: Sequence[float], digits: int) -> str:
    """Return `mean ± sample standard deviation` with these decimals; no ± for a single value."""
    if not values:
        return MISSING
    mean = f"{statistics.fmean(values):.{digits}f}"
    return f"{mean} ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else mean


def list_models(sweep: Sweep, columns: Sequence[str]) -> Iterator[list[str]]:
    """Yield the name and the cells of the original, of the references' mean ± standard deviation, and of the noise.

    The noise floor is half the interval that holds a further retrain with 95 % probability.
    """
    original, references = sweep.baseline(ORIGINAL), sweep.references
    yield [ORIGINAL, *(spell_value(c, original[c]) if original else MISSING for c in columns)]
    found = {c: [r[c] for r in references if r[c] is not None] for c in columns}
    many = len(references) > 1
    name = f"{RETRAINED}, mean of {len(references)}" if many else RETRAINED
    yield [name, *(spell_spread(c, found[c]) for c in columns)]
    floor = find_noise_floor(sweep.rows)
    if floor is not None and len(references) >= FEWEST:
        widths = [floor.tell_width(c) for c in columns]
        yield [
            "another retrain",
            *(spell_floor(c, w) for c, w in zip(columns, widths, strict=True)),
        ]


def spell_floor(column: str, width: float | None) -> str:
    """Return `± width` in the column's format."""
    return MISSING if width is None else f"± {spell_value(column, width)}"


def spell_spread(column: str, values: Sequence[float]) -> str:
    """Return `mean ± sample standard deviation` in the column's format; no ± for a single value."""
    if not values:
        return MISSING
    mean = spell_value(column, statistics.fmean(values))
    return f"{mean} ± {spell_value(column, statistics.stdev(values))}" if len(values) > 1 else mean


def spell_params(row: Row) -> str:
    """Return a row's hyper-parameters as `name=value …`; empty if it has none."""
    params = json.loads(row["params"] or "{}")
    return " ".join(
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in params.items()
    )


def _make_plain(table: Table) -> Table:
    return replace(
        table,
        title=make_plain(table.title),
        header=[make_plain(name) for name in table.header],
        rows=[[make_plain(cell) for cell in row] for row in table.rows],
        caption=make_plain(table.caption),
    )


def _grid(table: Table) -> Grid:
    grid = Grid(
        box=box.SIMPLE_HEAD,
    )
    for index, name in enumerate(table.header):
        right = index > 0 and _numeric([row[index] for row in table.rows])
        grid.add_column(Text(name), justify="right" if right else "left", overflow="fold")
    for index, row in enumerate(table.rows, start=1):
        # Text, not str: a cell with square brackets is no markup.
        grid.add_row(*(Text(cell) for cell in row), end_section=index in table.sections)
    return grid


def _markdown(table: Table) -> str:
    cells = [[cell.replace("|", r"\|").replace("\n", " ") for cell in row] for row in table.rows]
    right = [i > 0 and _numeric([row[i] for row in cells]) for i in range(len(table.header))]
    lines = [
        f"**{table.title}**",
        "",
        f"| {' | '.join(name.replace(chr(10), ' ') for name in table.header)} |",
        f"|{'|'.join('---:' if r else '---' for r in right)}|",
        *(f"| {' | '.join(row)} |" for row in cells),
    ]
    return "\n".join([*lines, "", table.caption, ""] if table.caption else [*lines, ""])


def _numeric(cells: Sequence[str]) -> bool:
    return all(cell in ("", MISSING) or cell.lstrip("-.+")[:1].isdigit() for cell in cells)
