"""The tables of `confirm` on a page: chosen points with fresh seeds, and their metrics on request."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.reporting.front_table import spell_searched
from orchestrator.reporting.page.content import SweepContent
from orchestrator.reporting.page.tables import HYPER_PARAMETERS, Cell, Heading, SortedTable
from orchestrator.results.confirmation.repeats import Confirmation
from orchestrator.results.confirmation.table import (
    list_header,
    list_lines,
    list_notes,
    list_requested,
)


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
        searched = spell_searched(model.searched)
        line.append(Cell(searched, searched))
        (rows if model.searched["role"] == "trial" else models).append(line)
    header = [
        Heading(" ".join(text.replace("-\n", "").split()), number=n > 0)
        for n, text in enumerate(list_header(found))
    ]
    return SortedTable(title, [*header, HYPER_PARAMETERS], rows, models, list_notes(found))


def _leading_number(text: str) -> float | None:
    """Return the number that a cell begins with, for sorting."""
    try:
        return float(text.split()[0])
    except (IndexError, ValueError):
        return None
