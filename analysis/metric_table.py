"""Methods against metrics: each method at its own best point of a sweep.

python analysis/metric_table.py RESULTS [--sweep NAME] [--metrics a,b|all] [--mean] [--markdown]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the repository, if run as a script

from analysis.results import BadInput, Results, SweepName, parse_objective, read_sweep, run_script
from analysis.tables import (
    MISSING,
    Table,
    list_models,
    print_table,
    spell_params,
    spell_spread,
    spell_value,
)
from orchestrator.results.columns import COSTS, MEASURED
from orchestrator.results.objectives import Objective
from orchestrator.results.recommendation import RULE, recommend_for_methods
from orchestrator.results.sweep_rows import ORIGINAL, RETRAINED, TRIAL, Row, Sweep

SHOWN = (
    "test_accuracy_retained",
    "test_accuracy_forgotten",
    "retain_accuracy",
    "forget_accuracy",
    "indistinguishability",
    "tow",
    "unlearn_seconds",
    "relative_cost",
)


def metric_table(
    results: Results,
    /,
    *,
    sweep: SweepName = None,
    metrics: str = ",".join(SHOWN),
    mean: bool = False,
    objective: str = "pareto",
    markdown: bool = False,
) -> None:
    """Print the metrics of every method, with those of the original and the retrained model.

    Parameters
    ----------
    metrics
        Columns to show, with commas between, or all.
    mean
        Mean ± standard deviation over the last points of all trials, whatever their hyper-parameters.
    objective
        Name of an objective, or metric:direction,…, by which a method's best point is chosen.
    markdown
        Print Markdown.
    """
    columns = parse_columns(metrics)
    chosen = parse_objective(objective)
    found = read_sweep(results, sweep)
    table = make_mean_table(found, columns) if mean else make_table(found, columns, chosen)
    print_table(table, markdown=markdown)


def parse_columns(text: str) -> list[str]:
    """Return measured and cost columns from a comma-separated list or "all"; raise BadInput."""
    valid = [column.name for column in (*MEASURED, *COSTS)]
    names = valid if text == "all" else [part.strip() for part in text.split(",")]
    for name in names:
        if name not in valid:
            raise BadInput(f"unknown metric {name!r}; valid: all, {', '.join(valid)}")
    return names


def make_table(sweep: Sweep, columns: Sequence[str], objective: Objective) -> Table:
    """Return the models, the spread of the references, and each method at its recommended point."""
    rows = [[name, "", *cells, ""] for name, *cells in list_models(sweep, columns)]
    shown = len(rows)
    for method, best in recommend_for_methods(sweep.rows, objective).items():
        if best is None:
            rows.append([method, "none", *(MISSING for _ in columns), ""])
            continue
        cells = [spell_value(column, best[column]) for column in columns]
        rows.append([method, best["trial_id"], *cells, spell_params(best)])
    return Table(
        title=f"{sweep.name}: methods on {sweep.task}, each at its best point",
        header=["method", "trial", *(name.replace("_", "\n") for name in columns), "params"],
        rows=rows,
        caption=f"Best: {RULE}, on the front of this method alone. None: no point of the method is better than the "
        "original model beyond the noise between retrains. It is the best of many noisy values: see confirm.",
        sections=frozenset({shown}),
    )


def list_methods(sweep: Sweep) -> list[str]:
    """Return the names of the methods of a sweep, sorted."""
    return sorted({r["unlearner"] for r in sweep.rows if r["role"] == TRIAL and r["unlearner"]})


def make_mean_table(sweep: Sweep, columns: Sequence[str]) -> Table:
    """Return a row per baseline, then a row per method over the last points of its trials."""
    rows = [_baseline(role, sweep.baseline(role), columns) for role in (ORIGINAL, RETRAINED)]
    for method in list_methods(sweep):
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


def _baseline(role: str, row: Row | None, columns: Sequence[str]) -> list[str]:
    if row is None:
        return [role, "0", "", "", *(MISSING for _ in columns)]
    return [role, "1", "", "", *(spell_value(column, row[column]) for column in columns)]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script on `argv`; returns its exit code."""
    return run_script(metric_table, argv)


if __name__ == "__main__":
    sys.exit(main())
