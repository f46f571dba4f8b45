"""How every benchmark ends: a table on the screen, and a Parquet file with each measurement."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

RESULTS = Path("benchmarks/results")
PLAIN_WIDTH = 150
"""Columns of the output where it is no terminal, whose width nobody knows."""


def write(rows: Sequence[dict[str, Any]], out: Path) -> None:
    """Every measurement, one row each."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    out.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows)), out)
    print(f"wrote {out}")


def show(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; the first column is a name, the others are numbers."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title)
    for number, name in enumerate(header):
        table.add_column(name, justify="right" if number else "left")
    for row in rows:
        table.add_row(*row)
    console = Console(emoji=False)
    if not console.is_terminal:
        console = Console(width=PLAIN_WIDTH, emoji=False)
    console.print(table)
