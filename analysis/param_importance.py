"""The importance of hyper-parameters for each metric of an objective, computed by Optuna.

python analysis/param_importance.py RESULTS [--sweep NAME] [--objective NAME] [--markdown]
"""

from __future__ import annotations

import json
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the repository, if run as a script

from analysis.results import parse_objective, print_note, read_sweep, run_script
from analysis.tables import MISSING, Table, print_table
from orchestrator.results.objectives import Objective
from orchestrator.results.sweep_rows import Row

Params = Mapping[str, Any]
FEWEST = 4
"""Least number of distinct settings: with fewer, an importance means nothing."""
ROUGH = 20
"""Number of trials below which importances are only a rough hint."""


def param_importance(
    results: str,
    /,
    *,
    sweep: str | None = None,
    objective: str = "pareto",
    evaluator: Literal["fanova", "ped-anova"] = "fanova",
    markdown: bool = False,
) -> None:
    """Print the importance of every searched hyper-parameter for each metric of an objective.

    Parameters
    ----------
    results
        Storage root of the sweep.
    sweep
        Name of the sweep; the latest if not given.
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
    settings = [json.loads(row["params"] or "{}") for row in rows]
    tried = len({json.dumps(params, sort_keys=True) for params in settings})
    if tried < FEWEST:
        print_note(
            f"{method}: too few trials with distinct hyper-parameters ({tried}; needs {FEWEST})"
        )
        return None
    encoded, space = encode_settings(settings)
    if not space:
        print_note(f"{method}: no hyper-parameter varied")
        return None
    if len(rows) < ROUGH:
        print_note(f"{method}: importances of {len(rows)} trials are only a rough hint")
    values = [chosen.values(row) for row in rows]
    columns = []
    for index, maximise in enumerate(chosen.maximise):
        pairs = [(p, v[index]) for p, v in zip(encoded, values, strict=True) if v is not None]
        columns.append(compute_importances(pairs, space, maximise=maximise, evaluator=evaluator))
    order = sorted(space, key=lambda name: -max(column.get(name, 0.0) for column in columns))
    return Table(
        title=f"{method}: importance of hyper-parameters over {len(rows)} trials",
        header=["hyper-parameter", *(metric.replace("_", "\n") for metric in chosen.metrics)],
        rows=[[name, *(_spell(column.get(name)) for column in columns)] for name in order],
        caption=f"{evaluator}; each column sums to 1; {MISSING}: missing or constant metric.",
    )


def encode_settings(settings: Sequence[Params]) -> tuple[list[Params], dict[str, BaseDistribution]]:
    """Return settings in the form of a study, and the distribution of each parameter that varied.

    The distributions come from the values, because a store holds the trials that ran, and not the
    search space. A number is replaced by its rank, as a share. The reason: fANOVA averages over the
    box of values, and the scale of the search is unknown here. So the importance of a parameter is
    its importance over the tried values.
    """
    encoded: list[dict[str, Any]] = [{} for _ in settings]
    space: dict[str, BaseDistribution] = {}
    for name in settings[0]:
        if any(name not in params for params in settings):
            continue
        values = [params[name] for params in settings]
        if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
            values = rank_values(values)
            domain: BaseDistribution = FloatDistribution(min(values), max(values))
        else:
            values = [json.dumps(v) for v in values]  # Optuna does not accept a list as a choice
            domain = CategoricalDistribution(sorted(set(values)))
        if domain.single():
            continue
        space[name] = domain
        for params, value in zip(encoded, values, strict=True):
            params[name] = value
    return list(encoded), space


def rank_values(values: Sequence[float]) -> list[float]:
    """Return for each value the share of the other values below it, from 0 to 1; ties count half."""
    ordered = sorted(values)
    others = max(1, len(values) - 1)
    return [
        (bisect_left(ordered, value) + bisect_right(ordered, value) - 1) / (2 * others)
        for value in values
    ]


def compute_importances(
    pairs: Sequence[tuple[Params, float]],
    space: Mapping[str, BaseDistribution],
    *,
    maximise: bool,
    evaluator: str = "fanova",
) -> dict[str, float]:
    """Compute the importance of each parameter for one metric; empty if the metric is constant.

    The importances sum to 1.
    """
    if len(pairs) < FEWEST or len({value for _, value in pairs}) == 1:
        return {}
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize" if maximise else "minimize")
    for params, value in pairs:
        study.add_trial(
            optuna.create_trial(params=dict(params), distributions=dict(space), value=value)
        )
    # With 10 or 20 trials, the top tenth of PED-ANOVA, Optuna's default, has one or two trials.
    judge = (
        FanovaImportanceEvaluator(seed=0)
        if evaluator == "fanova"
        else PedAnovaImportanceEvaluator()
    )
    try:
        return optuna.importance.get_param_importances(study, evaluator=judge)
    except RuntimeError:  # fANOVA's trees found nothing to split on
        return {}


def _spell(value: float | None) -> str:
    return MISSING if value is None else f"{value:.2f}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script on `argv`; returns its exit code."""
    return run_script(param_importance, argv)


if __name__ == "__main__":
    sys.exit(main())
