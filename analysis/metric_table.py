"""Methods against metrics: mean ± standard deviation over the trials of a sweep.

python analysis/metric_table.py RESULTS [--sweep NAME] [--metrics a,b|all] [--markdown]
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the repository, if run as a script

from analysis.results import BadInput, read_sweep, run_script
from analysis.tables import MISSING, Table, print_table, spell_value
from orchestrator.results.columns import COSTS, MEASURED
from orchestrator.results.sweep_rows import ORIGINAL, RETRAINED, TRIAL, Row, Sweep

SHOWN = (
    "test_accuracy_retained",
    "test_accuracy_forgotten",
    "retain_accuracy",
    "forget_accuracy",
    "mia_simple_accuracy",
    "mia_class_matched_accuracy",
    "indistinguishability",
    "unlearn_seconds",
    "relative_cost",
)


def metric_table(
    results: str,
    /,
    *,
    sweep: str | None = None,
    metrics: str = ",".join(SHOWN),
    markdown: bool = False,
) -> None:
    """Print the metrics of every method, with those of the original and the retrained model.

    Parameters
    ----------
    results
        Storage root of the sweep.
    sweep
        Name of the sweep; the latest if not given.
    metrics
        Columns to show, with commas between, or all.
    markdown
        Print Markdown.
    """
    columns = parse_columns(metrics)
    print_table(make_table(read_sweep(results, sweep), columns), markdown=markdown)


def parse_columns(text: str) -> list[str]:
    """Return measured and cost columns from a comma-separated list or "all"; raise BadInput."""
    valid = [column.name for column in (*MEASURED, *COSTS)]
    names = valid if text == "all" else [part.strip() for part in text.split(",")]
    for name in names:
        if name not in valid:
            raise BadInput(f"unknown metric {name!r}; valid: all, {', '.join(valid)}")
    return names


def make_table(sweep: Sweep, columns: Sequence[str]) -> Table:
    """Return a row per baseline, then a row per method over the last points of its trials."""
    rows = [_baseline(role, sweep.baseline(role), columns) for role in (ORIGINAL, RETRAINED)]
    trials = [row for row in sweep.rows if row["role"] == TRIAL]
    for method in sorted({row["unlearner"] for row in trials if row["unlearner"]}):
        finals = [row for row in sweep.finals if row["unlearner"] == method]
        pruned, failed = (
            str(sum(row["unlearner"] == method for row in ended))
            for ended in (sweep.pruned, sweep.failures)
        )
        cells = [spell_spread(c, [r[c] for r in finals if r[c] is not None]) for c in columns]
        rows.append([method, str(len(finals)), pruned, failed, *cells])
    return Table(
        title=f"{sweep.name}: methods on {sweep.task}",
        header=["method", "n", "pruned", "failed", *(name.replace("_", "\n") for name in columns)],
        rows=rows,
        caption="Mean ± standard deviation over the last points of n complete trials: the spread "
        "over hyper-parameters and seeds. Trials that a limit stopped count as pruned only.",
        sections=frozenset({2}),
    )


def spell_spread(column: str, values: Sequence[float]) -> str:
    """Return `mean ± sample standard deviation` in the column's format; no ± for a single value."""
    if not values:
        return MISSING
    mean = spell_value(column, statistics.fmean(values))
    return f"{mean} ± {spell_value(column, statistics.stdev(values))}" if len(values) > 1 else mean


def _baseline(role: str, row: Row | None, columns: Sequence[str]) -> list[str]:
    if row is None:
        return [role, "0", "", "", *(MISSING for _ in columns)]
    return [role, "1", "", "", *(spell_value(column, row[column]) for column in columns)]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script on `argv`; returns its exit code."""
    return run_script(metric_table, argv)


if __name__ == "__main__":
    sys.exit(main())
