"""The importance of hyper-parameters for each metric of an objective, computed by Optuna.

python analysis/param_importance.py RESULTS [--sweep NAME] [--objective NAME] [--markdown]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the repository, if run as a script

from analysis.results import Results, SweepName, parse_objective, print_note, read_sweep, run_script
from analysis.tables import MISSING, Table, print_table
from orchestrator.results.hyperparameters.importance import (
    FEWEST,
    ROUGH,
    count_settings,
    weigh_hyperparameters,
)
from orchestrator.results.objectives import Objective
from orchestrator.results.sweep_rows import Row


def param_importance(
    results: Results,
    /,
    *,
    sweep: SweepName = None,
    objective: str = "pareto",
    evaluator: Literal["fanova", "ped-anova"] = "fanova",
    markdown: bool = False,
) -> None:
    """Print the importance of every searched hyper-parameter for each metric of an objective.

    Parameters
    ----------
    objective
        Name of an objective, or metric:direction,…
    evaluator
        fanova: the share of the metric's variance that a parameter explains. ped-anova: how much
        it matters for reaching the best tenth, for sweeps of a hundred trials or more.
    markdown
        Print Markdown.
    """
    chosen = parse_objective(objective)
    found = read_sweep(results, sweep)
    for method in sorted({row["unlearner"] for row in found.finals}):
        rows = [row for row in found.finals if row["unlearner"] == method]
        table = make_table(method, rows, chosen, evaluator)
        if table is not None:
            print_table(table, markdown=markdown)


def make_table(method: str, rows: Sequence[Row], chosen: Objective, evaluator: str) -> Table | None:
    """Return importances by parameter and metric; None, with a note, for too few settings."""
    tried = count_settings(rows)
    if tried < FEWEST:
        print_note(
            f"{method}: too few trials with distinct hyper-parameters ({tried}; needs {FEWEST})"
        )
        return None
    found = weigh_hyperparameters(rows, chosen, evaluator)
    if not found:
        print_note(f"{method}: no hyper-parameter varied")
        return None
    if len(rows) < ROUGH:
        print_note(f"{method}: importances of {len(rows)} trials are only a rough hint")
    return Table(
        title=f"{method}: importance of hyper-parameters over {len(rows)} trials",
        header=["hyper-parameter", *(metric.replace("_", "\n") for metric in chosen.metrics)],
        rows=[[name, *map(_spell, values)] for name, values in found.items()],
        caption=f"{evaluator}; each column sums to 1; {MISSING}: missing or constant metric.",
    )


def _spell(value: float | None) -> str:
    return MISSING if value is None else f"{value:.2f}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script on `argv`; returns its exit code."""
    return run_script(param_importance, argv)


if __name__ == "__main__":
    sys.exit(main())
