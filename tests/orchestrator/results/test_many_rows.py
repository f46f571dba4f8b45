"""Rows as columns: the same counts, best values and fronts as from the rows one by one."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_rows import NOON, Row
from store_sweeps import make_row, make_sweep

from orchestrator.reporting.front_table import FRONT_COLUMNS
from orchestrator.reporting.progress import Progress
from orchestrator.results.checks.digest import find_copy
from orchestrator.results.columnar.points import (
    count_trials,
    find_front_of_many,
    keep_ended,
    keep_telling,
    sum_up,
)
from orchestrator.results.files import SCHEMA
from orchestrator.results.noise import find_noise_floor
from orchestrator.results.objectives import front_rows, objective_named
from orchestrator.results.pareto import find_front
from orchestrator.results.store import compact_rows, read_results, write_rows
from orchestrator.results.sweep_rows import Sweep
from orchestrator.sweeps.status import read_status

VALUE = st.one_of(
    st.integers(0, 3).map(float), st.floats(-1e300, 1e300), st.sampled_from([1e16, 1.0 + 2**-52])
)
OBJECTIVES = ("pareto", "score", "time", "mia", "test_accuracy_retained:up,flops:down")
MODELS = [
    make_row("original", (0.9, 0.1, 0.0), role="original", unlearner=None),
    make_row("retrained", (0.9, 0.97, 1.0), role="retrained"),
    make_row("reference-1", (0.92, 0.99, 1.0), role="retrained"),
]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(VALUE, VALUE, VALUE), max_size=30))
def test_the_front_of_many_points_is_that_of_a_few(points: list[tuple[float, ...]]) -> None:
    assert find_front_of_many(np.array(points).reshape(-1, 3)).tolist() == find_front(points)


LIMITED = (
    "pareto,validation_accuracy_retained>=.5",
    "score,relative_cost<=.3,validation_indistinguishability>=.4",
)
"""Objectives with limits, which a part of the points misses."""


def make_trial(number: int, rng: np.random.Generator) -> list[Row]:
    """A trial of up to four points on a coarse grid, so that some tie; a value may be missing or infinite."""
    state = rng.choice(["complete", "complete", "failed", "pruned"])
    epochs = int(rng.integers(1, 5))
    rows = []
    for epoch in range(1, epochs + 1):
        values: list[Any] = [*(rng.integers(0, 11, 3) / 10)]
        if rng.random() < 0.2:
            values[rng.integers(3)] = [None, np.nan, np.inf][rng.integers(3)]
        final = epoch == epochs
        measured = None if final and state == "failed" else (values[0], values[1], values[2])
        rows.append(
            make_row(
                f"{rng.choice(['ssd', 'finetune'])}-{number}", measured, epoch=epoch, final=final, flops=epoch * 1e9,
                state=state if final or state == "pruned" else "complete",
                finished_at=NOON + timedelta(seconds=number),
            )
        )  # fmt: skip
    return [{**row, "trial_id": rows[0]["trial_id"]} for row in rows]


@pytest.mark.parametrize("name", [*OBJECTIVES, *LIMITED])
@pytest.mark.parametrize("models", [MODELS, []], ids=["models", "no models"])
@pytest.mark.parametrize("seed", range(5))
def test_columns_say_what_rows_say(name: str, models: list[Row], seed: int) -> None:
    objective, rng = objective_named(name), np.random.default_rng(seed)
    trials = [make_trial(number, rng) for number in range(60)]
    unfinished = make_row("ssd-x", (1.0, 1.0, 0.0), final=False)
    rows = [*models, *(row for trial in trials for row in trial)]
    table = keep_ended(pa.Table.from_pylist([*rows, unfinished], SCHEMA))
    assert len(table) == len(rows)
    floor = find_noise_floor(models)

    one_by_one, summed = (Progress(objective, 60, floor) for _ in range(2))
    one_by_one.resume(trials)
    summed.start_from(sum_up(table, objective, floor))
    assert summed.format_line() == one_by_one.format_line()
    assert summed.best == one_by_one.best
    assert (summed.done, summed.failed, summed.pruned) == (
        one_by_one.done, one_by_one.failed, one_by_one.pruned,
    )  # fmt: skip
    assert one_by_one.failed
    assert one_by_one.pruned

    every, kept = table.to_pylist(), keep_telling(table, objective).to_pylist()
    assert len(kept) < len(every)
    front = front_rows(every, objective)
    assert str(front_rows(kept, objective)) == str(front)  # as text: a value that is no number
    reasons = Sweep("s", kept).list_reasons(count_trials(table))
    assert sorted(reasons) == sorted(Sweep("s", every).list_reasons())


def test_a_status_reads_the_same_from_many_files_and_from_one(tmp_path) -> None:
    make_sweep(str(tmp_path), "s", [])
    rng = np.random.default_rng(0)
    for number in range(30):
        rows = [{**row, "sweep": "s"} for row in make_trial(number, rng)]
        write_rows(tmp_path, "s", f"k{29 - number}", rows)
    many = read_status("s", str(tmp_path), more=FRONT_COLUMNS)
    compact_rows(tmp_path)
    one = read_status("s", str(tmp_path), more=FRONT_COLUMNS)
    assert len(list((tmp_path / "rows" / "s").iterdir())) == 1
    for field in dataclasses.fields(many):
        if field.name not in ("progress", "rows"):
            assert getattr(one, field.name) == getattr(many, field.name)
    assert many.ended_at == NOON + timedelta(seconds=29)
    assert one.progress.format_line() == many.progress.format_line()
    rows = str(many.rows.to_pylist())  # as text: values that are no number
    assert str(one.rows.to_pylist()) == rows
    ids = read_results(tmp_path, "s")["trial_id"].to_pylist()
    assert ids == sorted(ids)


def test_the_copy_in_a_file_of_one_trial_holds_the_same_rows(tmp_path) -> None:
    rows = make_trial(1, np.random.default_rng(1))
    write_rows(tmp_path, "s", "k", [{**row, "sweep": "s"} for row in rows])
    content = (tmp_path / "rows" / "s" / "k.parquet").read_bytes()
    copy = find_copy(content)
    assert copy is not None
    others = pq.read_table(pa.BufferReader(content))
    assert str(pa.ipc.open_stream(copy).read_all().to_pylist()) == str(others.to_pylist())
    assert others.schema.names == SCHEMA.names
    compact_rows(tmp_path)
    (merged,) = (tmp_path / "rows" / "s").iterdir()
    assert find_copy(merged.read_bytes()) is None
