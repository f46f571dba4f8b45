"""The table of every metric: written from the rows that are kept, one task beside the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from program import ROOT

from benchmarks.metrics.tables import list_cells, print_tables, read_rows, replace_rows


def row(task: str, model: str, metric: str, value: float | None, **more: float) -> dict[str, Any]:
    told = {"references": 2, "shadows": 8, "seconds": 0.002, "megabytes": 0.4} | more
    return {"task": task, "model": model, "metric": metric, "value": value} | told


ROWS = [
    row("a", "original", "tow", -0.0001, seconds=0.5),
    row("a", "retrained", "tow", 0.25),
    row("a", "retrained", "tow", 0.5, megabytes=3.2),
    row("a", "original", "ain", None),
    row("a", "ssd", "klom_mean", 11.5),
]


def test_references_are_averaged_and_what_has_no_value_is_left_out() -> None:
    assert list_cells(ROWS, ["original", "retrained", "ssd"]) == [
        ["`tow`", "row", "↑", ".000", ".375", "–", "2", "500", "3"],
        ["`klom_mean`", "shadows", "r", "–", "–", "11.500", "2", "2", "0"],
    ]


def test_other_tasks_and_metrics_stay_in_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "metrics.parquet"
    replace_rows(ROWS, out)
    replace_rows([row("b", "original", "tow", 1.0)], out)
    replace_rows([row("a", "retrained", "tow", 0.5)], out)
    found = read_rows(out)
    values = [(each["task"], each["model"], each["value"]) for each in found]
    assert values[-2:] == [("b", "original", 1.0), ("a", "retrained", 0.5)]
    assert ("a", "retrained", 0.25) not in values
    assert len(values) == len(ROWS)
    capsys.readouterr()
    print_tables(found[-2:], markdown=True)
    said = capsys.readouterr().out
    assert "\nb, 2 references, 8 shadow models\n" in said
    assert "| `tow` | row | ↑ | .500 | 2 | 2 | 0 |" in said


def test_the_tables_in_the_docs_are_those_of_the_shipped_file(
    capsys: pytest.CaptureFixture,
) -> None:  # type: ignore[type-arg]
    print_tables(read_rows(ROOT / "benchmarks/data/metrics.parquet"), markdown=True)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    document = (ROOT / "docs/metrics.md").read_text().splitlines()
    assert len(lines) > 100
    assert [line for line in lines if line not in document] == []
