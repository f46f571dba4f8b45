"""`python -m benchmarks.methods`: what it refuses, a run with real sweeps, and the tables that are shipped."""

from __future__ import annotations

import statistics
import subprocess
import sys

import pytest
from program import ENVIRONMENT, ROOT

from benchmarks.methods.__main__ import SHIPPED, main
from benchmarks.methods.comparison import compare_methods
from benchmarks.methods.record import read_record
from benchmarks.methods.tables import insert_markdown, list_rows, render_latex, render_markdown
from tasks.models import model_class


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--tables-only", "--out", "nowhere"], "cannot read nowhere/methods.parquet"),
        (["--task", "digits-class:12"], "valid"),
        (["--task", "digits-class:1", "--unlearners", "finetun"], "did you mean finetune?"),
        (["--task", "digits-class:1", "--seeds", "0"], "1..100"),
        (["--task", "digits-class:1@resnet", "--trials", "1"], "resnet9"),
    ],
)
def test_bad_input_is_one_line_before_anything_runs(tmp_path, arguments, expected, capsys):
    assert main([*arguments, "--storage", str(tmp_path / "root")]) == 2
    said = capsys.readouterr().err
    assert expected in said
    assert said.count("\n") == 1


def test_the_model_that_is_meant_to_memorise_trains_three_times_as_long():
    cls, options = model_class("resnet9-long:0.25")
    assert (cls.recipe.label_smoothing, options) == (0.0, {"width": 0.25})
    assert cls.recipe.epochs == 3 * model_class("resnet9")[0].recipe.epochs


def test_the_shipped_tables_are_what_the_shipped_parquet_file_gives():
    rows = read_record(ROOT / SHIPPED / "methods.parquet")
    found = compare_methods(rows)
    document = (ROOT / "docs/methods.md").read_text()
    assert insert_markdown(document, render_markdown(found)) == document
    assert (ROOT / "docs/methods.tex").read_text() == render_latex(found)
    assert all(len(comparison.seeds) >= 3 for comparison in found)
    assert {r["unlearner"] for r in rows if r["role"] == "trial"} >= {"finetune", "ssd", "scrub"}


@pytest.mark.slow
def test_a_run_gives_its_tables_and_runs_nothing_twice(tmp_path):
    """With real sweeps; the tables are a function of the Parquet file alone."""
    command = [
        "--task", "digits-class:1", "--trials", "2", "--seeds", "2", "--references", "2",
        "--unlearners", "finetune,lfssd", "--storage", str(tmp_path / "root"),
    ]  # fmt: skip

    def run(*more: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.methods", *command, *more],
            cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=900,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    first = run()
    assert "3 stages, 0 of them done" in first
    assert "stage 3 of 3, seed 2 on digits-class:1" in first
    stored = {f: f.read_bytes() for f in (tmp_path / "root" / "rows").rglob("*.parquet")}
    tables = {
        name: (tmp_path / "root" / name).read_text() for name in ("methods.md", "methods.tex")
    }
    assert "3 stages, 3 of them done" in run()
    for name in tables:
        (tmp_path / "root" / name).unlink()
    run("--tables-only")
    assert {name: (tmp_path / "root" / name).read_text() for name in tables} == tables
    assert stored == {f: f.read_bytes() for f in (tmp_path / "root" / "rows").rglob("*.parquet")}
    rows = read_record(tmp_path / "root" / "methods.parquet")
    (found,) = compare_methods(rows)
    for method in found.methods:
        repeats = [r for r in rows if r["confirms"] and r["unlearner"] == method.name]
        mean = statistics.fmean(r["indistinguishability"] for r in repeats)
        assert len(repeats) == 2
        assert any(
            c[0].split()[0] == method.name and c[3].startswith(f"{mean:.3f}")
            for c in list_rows(found)
        )
