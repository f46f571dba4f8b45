"""Tables: no number is cut at any width, a column has even decimals, and failures come by reason."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console
from store_sweeps import make_row, make_sweep

from orchestrator.reporting.fitted_table import FittedTable, Line
from orchestrator.reporting.front_table import print_front
from orchestrator.reporting.numbers import spell_column
from orchestrator.results.sweep_rows import Sweep

POINTS = [(0.881, 0.652, 0.0073), (0.802, 0.913, 0.2345), (0.703, 0.954, 0.0456), None, None]
WHOLE = ("0.881", "0.652", "0.0073", "0.802", "0.913", "0.2345", "0.703", "0.954", "0.0456")


def printed(width: int, table: FittedTable) -> list[str]:
    """The lines of a table in a terminal of this width."""
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=width)
    table.print(console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def front_of(tmp_path: Path, width: int, **settings: object) -> str:
    """What is printed of a made-up sweep's front in a terminal of this width."""
    config = make_sweep(str(tmp_path / str(width)), "s", POINTS, config=settings)
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=width)
    print_front(config, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [30, 40, 60, 80, 120, 170, 300])
def test_a_front_has_every_number_trial_epoch_and_hyper_parameter_at_any_width(tmp_path, width):
    said = front_of(tmp_path, width)
    table = said.partition("The front is chosen on")[0]
    numbers = re.findall(r"(?<![\w.])\d\.\d{3,4}(?![\w.])", table)
    for number in WHOLE:
        assert numbers.count(number) == (2 if float(number) > 0.5 else 1), number  # of both halves
    for n in range(3):
        assert f"ssd-{n}" in table
        assert f"selection={10 + n}" in table
    assert "…" not in table
    if width >= 40:
        assert max(map(len, table.splitlines())) <= width
    labelled = [line for line in table.splitlines() if re.search(r"ssd-\d", line)]
    assert [re.findall(r"ssd-\d", line) for line in labelled] == [["ssd-2"], ["ssd-1"], ["ssd-0"]]
    assert all("1" in re.sub(r"ssd-\d", "", line) for line in labelled), "the epoch"


def test_a_front_shows_the_columns_of_its_own_objective_and_is_sorted_by_the_first(tmp_path):
    said = front_of(
        tmp_path, 201, objective="relative_cost:min,validation_indistinguishability:max"
    )
    assert said.index("ssd-2") < said.index("ssd-0"), "the cheapest is last"
    assert "ssd-1" not in said.partition("The front is chosen on")[0]
    said = front_of(tmp_path, 202, objective="score")
    assert re.search(r"┃ +score ┃", said)


def test_the_forgotten_column_has_values_whatever_is_forgotten(tmp_path):
    """Where no class is forgotten, they are of the forget set."""
    for column in ("test_accuracy_forgotten", "forget_accuracy"):
        config = make_sweep(str(tmp_path / column), "s", POINTS, **{column: 0.4321})
        console = Console(file=io.StringIO(), width=200)
        print_front(config, console)
        said = console.file.getvalue().partition("The front is chosen on")[0]
        assert said.count("0.432") >= 3
        assert ("forgotten" in said) == (column == "test_accuracy_forgotten")


def test_a_line_that_is_too_long_is_laid_out_in_three_ways():
    line = Line(("*", "ssd-1", "3"), ("0.5", "0.25"), "alpha=1 beta=2e-05")
    table = FittedTable("T", ("", "trial", "epoch"), ("test\nacc.", "cost"), "with", [line])
    assert any(
        "│ * │ ssd-1 │ 3     │  0.5 │ 0.25 │ alpha=1 beta=2e-05 │" in t for t in printed(60, table)
    )
    assert printed(30, table) == [
        "T",
        "                 test",
        "   trial  epoch  acc.  cost",
        "─" * 27,
        "*  ssd-1  3       0.5  0.25",
        "    alpha=1 beta=2e-05",
    ]
    assert printed(20, table) == [
        "T",
        "  test",
        "  acc.  cost",
        "  ──────────",
        "* ssd-1, epoch 3:",
        "    alpha=1",
        "    beta=2e-05",
        "   0.5  0.25",
    ]
    assert printed(10, table)[-4:] == ["  test acc.", "    0.5", "  cost", "    0.25"]


def test_lines_without_a_heading_of_their_own_are_named_too():
    table = FittedTable("T", ("",), ("first", "second"), "", [Line(("volume",), ("0.5", "0.25"))])
    assert printed(22, table)[-1] == "volume    0.5    0.25"
    assert printed(18, table)[-2:] == ["volume", "    0.5    0.25"]
    assert printed(13, table)[-3:] == ["volume", "  first  0.5", "  second 0.25"]
    assert printed(10, table)[-4:] == ["  first", "    0.5", "  second", "    0.25"]


def test_a_column_has_even_decimals():
    assert spell_column([0.5, 1.0, None]) == ["0.500", "1.000", "-"]
    assert spell_column([0.0071, 1.0, 0.0]) == ["0.0071", "1.0000", "0.0000"]
    assert spell_column([1e-9, 0.5]) == ["0.0000", "0.5000"]
    assert spell_column([123.456, 0.25]) == ["123.456", "0.250"]
    assert spell_column([3, 12, None]) == ["3", "12", "-"]
    assert spell_column([1.5e12, 2e9]) == ["1.5e+12", "2e+09"]
    assert spell_column([]) == []
    assert spell_column([float("inf"), 0.5]) == ["inf", "0.500"]


def test_reasons_of_failures_are_counted_by_method(tmp_path):
    rows = [
        make_row("bad:Boom-1", None, error="RuntimeError: my bug (bad.py:17)"),
        make_row("bad:Boom-2", None, error="RuntimeError: my bug (bad.py:17)"),
        make_row("bad:Boom-3", None, error="RuntimeError: my bug (bad.py:18)"),
        make_row("ssd-1", (0.9, 0.9, 1.2), state="pruned", error="relative_cost 1.200 reached the limit of 1"),
        make_row("ssd-2", (0.9, 0.9, 1.1), state="pruned", error="relative_cost 1.100 reached the limit of 1"),
        make_row("ssd-3", (0.9, 0.9, 0.1)),
        make_row("ssd-4", None, error=None),
    ]  # fmt: skip
    assert Sweep("s", rows).list_reasons() == [
        "bad:Boom: 2 of 3 failed: RuntimeError: my bug (bad.py:17)",
        "bad:Boom: 1 of 3 failed: RuntimeError: my bug (bad.py:18)",
        "ssd: 1 of 4 failed: for no stored reason",
        "ssd: 2 of 4 pruned: relative_cost … reached the limit of 1",
    ]
    assert "ssd: 2 of 5 failed: RuntimeError: my bug … (bad.py:17)" in front_of(tmp_path, 80)
