"""The table of methods as LaTeX, for a paper: the rules of booktabs, and what the numbers mean as a comment."""

from __future__ import annotations

import re

from orchestrator.reporting.page.content import SweepContent
from orchestrator.reporting.page.tables import Cell, SortedTable, make_methods_table
from orchestrator.results.figures.values import escape_latex

SEEDS = re.compile(r"\d+ seeds?: ")
"""How a note begins that says what fresh seeds have."""
WORDS = frozenset({"hyper-parameters"})
"""Columns that a paper's table has no room for."""


def render_methods(content: SweepContent) -> str:
    """Return the methods at their best points, below the models: `tabular`, with a comment above."""
    table = make_methods_table(content)
    task = f"{content.sweep.task}, sweep {content.name}" if content.rows else content.name
    return spell_latex(table, f"{table.title}: {task}")


def spell_latex(table: SortedTable, title: str) -> str:
    """Return a table as LaTeX; text is escaped, and a second line of a cell, such as an interval, goes in brackets."""
    kept = [n for n, heading in enumerate(table.header) if heading.text not in WORDS]
    sides = "".join("r" if table.header[n].number else "l" for n in kept)
    lines = [f"% {' '.join(text.split())}" for text in (title, *table.notes)]
    lines += [rf"\begin{{tabular}}{{{sides}}}", r"\toprule"]
    lines += [_spell_line([table.header[n].text for n in kept]), r"\midrule"]
    for group in (table.models, table.rows):
        for row in group:
            lines.append(_spell_line([_spell_cell(row[n]) for n in kept]))
        lines += [r"\midrule"] if group is table.models and table.models and table.rows else []
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _spell_cell(cell: Cell) -> str:
    """Spell a cell with what fresh seeds say of it; other notes are trials, which a paper does not name."""
    return f"{cell.text} ({cell.note})" if SEEDS.match(cell.note) else cell.text


def _spell_line(texts: list[str]) -> str:
    return f"{' & '.join(escape_latex(' '.join(text.split())) for text in texts)} \\\\"
