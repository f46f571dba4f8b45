"""Every benchmark is one command that prints a table and writes a row for each measurement."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from test_on_a_cpu import benchmark

QUICK: dict[str, tuple[list[str], int]] = {
    "stored.store": (["--rows", "100", "200"], 14),
    "replay.search": (
        ["--seeds", "2", "--seconds", "4", "--samplers", "random,tpe"],
        2 * 2 * 2 * 20,
    ),
    "stored.resume": (["--trials", "30"], 5),
    "replay.early_stopping": (["--costs", "0.5,1"], 4),
}
"""By name: small arguments, and how many rows they give."""
SLOW = {
    "compute.measuring": (["--trials", "2", "--unlearners", "finetune"], 2 * 2),
    "compute.evaluation": (["--repeats", "1"], 3),
    "cluster.overhead": (["--trials", "16", "--samplers", "random"], 5),
    "cluster.memory": (["--trials", "1"], 1),
    "cluster.trials": (
        ["--trials", "3", "--few", "1", "--arms", "process,loop,tune,warm,everything"],
        7,
    ),
}
POSITIVE = (
    "seconds",
    "own_seconds",
    "overhead_seconds",
    "trials",
    "own",
    "resident",
)


def check(name: str, tmp_path: Path) -> list[dict[str, Any]]:
    """Run it; every quantity in its rows is a number, and those that must be are positive."""
    arguments, count = {**QUICK, **SLOW}[name]
    said, rows = benchmark(name, *arguments, "--out", tmp_path / "rows.parquet")
    assert len(rows) == count
    assert "━" in said, "no table was printed"
    for row in rows:
        numbers = {k: v for k, v in row.items() if isinstance(v, float | int)}
        assert not any(math.isnan(v) for v in numbers.values())
        assert all(numbers[k] > 0 for k in POSITIVE if k in numbers), row
    # The first trials of a search may all lie below the original.
    assert rows[-1].get("hypervolume", 1) > 0
    return rows


@pytest.mark.parametrize("name", QUICK)
def test_a_quick_benchmark(name: str, tmp_path: Path) -> None:
    check(name, tmp_path)


@pytest.mark.slow
def test_the_benchmark_of_very_long_sweeps_in_a_short_one(tmp_path: Path) -> None:
    picture = tmp_path / "scale.png"
    few = ["--trials", "1500", "--sampler", "random", "--figure", picture]
    said, rows = benchmark("cluster.scale", *few, "--out", tmp_path / "rows.parquet")
    assert [row["trials"] // 250 for row in rows][:5] == [1, 2, 3, 4, 5]
    assert all(row["wall_ms"] > 0 and row["driver_megabytes"] > 0 for row in rows)
    assert picture.exists()
    assert "1,500 trials, random" in said


def test_a_search_that_nothing_beats_leaves_no_gap_to_be_a_share_of(tmp_path: Path) -> None:
    alone = ["--seeds", "1", "--seconds", "4", "--samplers", "random", "--modes", "told"]
    said, _ = benchmark("replay.search", *alone, "--out", tmp_path / "rows.parquet")
    assert "random told │ -" in " ".join(said.split())


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_a_benchmark_of_sweeps(name: str, tmp_path: Path) -> None:
    check(name, tmp_path)
