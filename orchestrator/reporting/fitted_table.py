"""Tables that never cut a cell: what does not fit beside the others goes to a line of its own."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from orchestrator.reporting.cells import make_cell
from orchestrator.results.plain_text import make_plain

LEAST_OF_DETAIL = 24
"""Columns below which a detail is not folded: it gets a line of its own."""
INDENT = "  "


@dataclass(frozen=True)
class Line:
    """One line of a table: what it is about, its cells, and a detail of any length."""

    labels: Sequence[str]
    cells: Sequence[str]
    detail: str = ""


@dataclass(frozen=True)
class FittedTable:
    """A table that is printed as wide as there is room: the labels at the left, the detail at the right.

    Headings may have line breaks. Where a line is too long, the detail follows on a second line; where that is
    still too long, the labels and the detail stand above the cells; else each cell has a line of its own.
    """

    title: str
    labels: Sequence[str]
    """Headings of the labels."""
    headings: Sequence[str]
    """Headings of the cells."""
    detail: str
    """Heading of the details."""
    lines: Sequence[Line]

    def print(self, console: Console) -> None:
        """Print the table; a file or a pipe has no limited width."""
        boxed = self._make_boxes()
        if not console.is_terminal:
            unbounded = console.options.update(max_width=10_000)
            console.width = max(console.width, console.measure(boxed, options=unbounded).maximum)
        if self._measure_boxes() <= console.width or not console.is_terminal:
            console.print(boxed)
            return
        for text in self._lay_out(console.width):
            console.print(make_plain(text), highlight=False, markup=False, soft_wrap=True)

    @property
    def _details(self) -> bool:
        return any(line.detail for line in self.lines)

    def _measure_boxes(self) -> int:
        columns = [*self._columns(labelled=True)]
        detail = max([cell_len(self.detail), *(cell_len(line.detail) for line in self.lines)])
        widths = [*map(_measure, columns), *([min(LEAST_OF_DETAIL, detail)] * self._details)]
        return sum(widths) + 3 * len(widths) + 1

    def _make_boxes(self) -> Table:
        table = Table(title=make_cell(self.title))
        for heading in self.labels:
            table.add_column(make_cell(heading), no_wrap=True)
        for heading in self.headings:
            table.add_column(make_cell(heading), justify="right", no_wrap=True)
        if self._details:
            table.add_column(make_cell(self.detail), overflow="fold")
        for line in self.lines:
            details = [line.detail] * self._details
            table.add_row(*map(make_cell, [*line.labels, *line.cells, *details]))
        return table

    def _columns(self, *, labelled: bool) -> Iterator[list[str]]:
        """Yield the heading and the cells of each column, top down."""
        if labelled:
            for n, heading in enumerate(self.labels):
                yield [heading, *(line.labels[n] for line in self.lines)]
        for n, heading in enumerate(self.headings):
            yield [heading, *(line.cells[n] for line in self.lines)]

    def _lay_out(self, width: int) -> list[str]:
        for labelled in (True, False):
            columns = list(self._columns(labelled=labelled))
            left = len(self.labels) if labelled else 0
            indent = "" if labelled else INDENT
            aligned = _align(columns, left, width - len(indent))
            if aligned is None:
                continue
            top, rows = ([indent + text for text in part] for part in aligned)
            body: list[str] = []
            for line, row in zip(self.lines, rows, strict=True):
                above = [] if labelled else _fold(self._name(line), width, "")
                below = _fold(line.detail, width, INDENT * 2) if labelled else []
                body += [*above, row, *below]
            return [self.title, *top, *body]
        return [self.title, *self._stack(width)]

    def _stack(self, width: int) -> Iterator[str]:
        """Yield each line as a paragraph: its name, then a cell a line."""
        names = [heading.replace("-\n", "").replace("\n", " ") for heading in self.headings]
        longest = max(map(cell_len, names), default=0)
        for line in self.lines:
            yield from _fold(self._name(line), width, "")
            for name, cell in zip(names, line.cells, strict=True):
                text = f"{INDENT}{_pad(name, longest)} {cell}"
                if cell and cell_len(text) <= width:
                    yield text
                elif cell:
                    yield from (f"{INDENT}{name}", f"{INDENT * 2}{cell}")

    def _name(self, line: Line) -> str:
        """Name a line without columns: marks, the first label, the others with their headings, then the detail."""
        pairs = zip(self.labels, map(str.strip, line.labels), strict=True)
        filled = [(heading, label) for heading, label in pairs if label]
        marks = [label for heading, label in filled if not heading]
        named = [(heading, label) for heading, label in filled if heading]
        told = [
            label if n == 0 else f"{heading} {label}" for n, (heading, label) in enumerate(named)
        ]
        text = " ".join([*marks, ", ".join(told)]).strip()
        return f"{text}: {line.detail}" if line.detail else text


def _align(
    columns: Sequence[Sequence[str]], left: int, width: int
) -> tuple[list[str], list[str]] | None:
    """Return the headings with a rule below, and the cells, as lines of at most `width`.

    The first `left` columns are left-justified. None if the lines are too long, also with a single space
    between the columns.
    """
    widths = [_measure(column) for column in columns]
    gaps = [gap for gap in (2, 1) if sum(widths) + gap * (len(widths) - 1) <= width]
    if not gaps:
        return None
    gap = " " * gaps[0]
    high = max(column[0].count("\n") for column in columns) + 1
    headings = [column[0].split("\n") for column in columns]
    headings = [[""] * (high - len(parts)) + parts for parts in headings]

    def join(texts: Sequence[str]) -> str:
        pairs = enumerate(zip(texts, widths, strict=True))
        return gap.join(_pad(text, w, right=n >= left) for n, (text, w) in pairs).rstrip()

    top = [join([parts[n] for parts in headings]) for n in range(high)]
    rule = "─" * (sum(widths) + gaps[0] * (len(widths) - 1))
    return [*top, rule], [join(row) for row in zip(*(c[1:] for c in columns), strict=True)]


def _measure(column: Sequence[str]) -> int:
    """Return the width of a column: of its widest cell, or line of the heading."""
    return max(cell_len(make_plain(text)) for cell in column for text in cell.split("\n"))


def _pad(text: str, width: int, *, right: bool = False) -> str:
    text = make_plain(text)
    space = " " * (width - cell_len(text))
    return space + text if right else text + space


def _fold(text: str, width: int, indent: str) -> list[str]:
    """Return the text as lines; no word is broken, since it may be a number."""
    return textwrap.wrap(
        make_plain(text),
        width,
        initial_indent=indent,
        subsequent_indent=INDENT * 2,
        break_long_words=False,
        break_on_hyphens=False,
    )
