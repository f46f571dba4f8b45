"""The rows of sweeps as one CSV file, which spreadsheets and data frames read."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from orchestrator.loggers.base import LocalLogger, Row, read_hyperparameters
from orchestrator.results.columns import COLUMNS
from tasks.errors import InvalidValue

PARAMS, SWEEP = "params", "sweep"
FIRST = [name for name in COLUMNS if name != PARAMS]
"""Columns of every file. Those of hyper-parameters, `params.NAME`, follow as they come up."""


class CsvFile(LocalLogger):
    """A line for each stored row, with a column for each hyper-parameter; other sweeps in the file stay."""

    def __init__(self, name: str, target: str) -> None:
        """Take the file's path; raises InvalidValue if it cannot be, or is a file that this logger did not write."""
        super().__init__(name, target)
        if not self.path.parent.is_dir():
            raise InvalidValue(f"--log {name}:{target}: there is no folder {self.path.parent}")
        if self.path.is_dir() or (self.path.exists() and self._read_header()[:1] != FIRST[:1]):
            raise InvalidValue(f"--log {name}:{target} exists and is no CSV file of sweeps")

    def begin(self, sweep: str) -> None:
        """Drop the lines of this sweep: all of its rows come again."""
        known = self._read_lines() if self.path.exists() else []
        self._lines = [line for line in known if line[SWEEP] != sweep]
        self._header = self._read_header() if self.path.exists() else list(FIRST)
        self._extend_header({})
        self._rewrite()

    def log(self, rows: Sequence[Row]) -> None:
        """Add a line for each row; a hyper-parameter that is new to the file is a new column."""
        lines = [_make_line(row) for row in rows]
        grown = [self._extend_header(line) for line in lines]
        if any(grown):
            self._lines = [*self._read_lines(), *lines]
            self._rewrite()
            return
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self._header).writerows(lines)

    def _extend_header(self, line: dict[str, Any]) -> bool:
        """Add the columns that the header lacks; tell whether there were any."""
        new = [name for name in (*FIRST, *line) if name not in self._header]
        self._header += list(dict.fromkeys(new))
        return bool(new)

    def _rewrite(self) -> None:
        """Write header and lines, and put the file in its place at once."""
        part = self.path.with_name(f".{self.path.name}.part")
        with part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self._header, restval="")
            writer.writeheader()
            writer.writerows(self._lines)
        os.replace(part, self.path)
        self._lines = []

    def _read_header(self) -> list[str]:
        try:
            with self.path.open(newline="", encoding="utf-8") as file:
                return next(csv.reader(file), [])
        except (UnicodeDecodeError, csv.Error):
            return []

    def _read_lines(self) -> list[dict[str, Any]]:
        with self.path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))


def _make_line(row: Row) -> dict[str, Any]:
    """Return a row as text by column; what is null is empty."""
    params = {f"{PARAMS}.{n}": value for n, value in sorted(read_hyperparameters(row).items())}
    values = {**{name: row[name] for name in FIRST}, **params}
    return {name: _spell(value) for name, value in values.items()}


def _spell(value: Any) -> str:
    if value is None:
        return ""
    return value.isoformat() if isinstance(value, datetime) else str(value)
