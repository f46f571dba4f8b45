"""Which hyper-parameters decide each of an objective's metrics: Optuna's importances.

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

from analysis.results import note, parse_objective, read_sweep, run
from analysis.tables import MISSING, Table, show
from orchestrator.results.objectives import Objective
from orchestrator.results.sweep_rows import Row

Params = Mapping[str, Any]
FEWEST = 4
"""Distinct settings below which an importance says nothing."""
ROUGH = 20
"""Trials below which importances are little more than a hint."""


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
        table = table_of(method, rows, chosen, evaluator)
        if table is not None:
            show(table, markdown=markdown)


def table_of(method: str, rows: Sequence[Row], chosen: Objective, evaluator: str) -> Table | None:
    """Parameters against the objective's metrics; None, with a note, if too little was tried."""
    settings = [json.loads(row["params"] or "{}") for row in rows]
    tried = len({json.dumps(params, sort_keys=True) for params in settings})
    if tried < FEWEST:
        note(f"{method}: too few trials with distinct hyper-parameters ({tried}; needs {FEWEST})")
        return None
    encoded, space = encode(settings)
    if not space:
        note(f"{method}: no hyper-parameter varied")
        return None
    if len(rows) < ROUGH:
        note(f"{method}: importances of {len(rows)} trials are little more than a hint")
    values = [chosen.values(row) for row in rows]
    columns = []
    for index, maximise in enumerate(chosen.maximise):
        pairs = [(p, v[index]) for p, v in zip(encoded, values, strict=True) if v is not None]
        columns.append(importances(pairs, space, maximise=maximise, evaluator=evaluator))
    order = sorted(space, key=lambda name: -max(column.get(name, 0.0) for column in columns))
    return Table(
        title=f"{method}: importance of hyper-parameters over {len(rows)} trials",
        header=["hyper-parameter", *(metric.replace("_", "\n") for metric in chosen.metrics)],
        rows=[[name, *(_spell(column.get(name)) for column in columns)] for name in order],
        caption=f"{evaluator}; each column sums to 1; {MISSING}: missing or constant metric.",
    )


def encode(settings: Sequence[Params]) -> tuple[list[Params], dict[str, BaseDistribution]]:
    """Settings as a study takes them, and the distribution of each parameter that varied.

    The distributions are read off the values, because a store holds what was run and not what
    could have been. A number is replaced by its rank, as a share: fANOVA averages over the box of
    values, and which scale they were searched on can be guessed wrongly. So a parameter's
    importance is that over the values that were tried.
    """
    encoded: list[dict[str, Any]] = [{} for _ in settings]
    space: dict[str, BaseDistribution] = {}
    for name in settings[0]:
        if any(name not in params for params in settings):
            continue
        values = [params[name] for params in settings]
        if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
            values = ranks(values)
            domain: BaseDistribution = FloatDistribution(min(values), max(values))
        else:
            values = [json.dumps(v) for v in values]  # a list is no choice that Optuna takes
            domain = CategoricalDistribution(sorted(set(values)))
        if domain.single():
            continue
        space[name] = domain
        for params, value in zip(encoded, values, strict=True):
            params[name] = value
    return list(encoded), space


def ranks(values: Sequence[float]) -> list[float]:
    """The share of the other values that lie below each, ties counted half: from 0 to 1."""
    ordered = sorted(values)
    others = max(1, len(values) - 1)
    return [
        (bisect_left(ordered, value) + bisect_right(ordered, value) - 1) / (2 * others)
        for value in values
    ]


def importances(
    pairs: Sequence[tuple[Params, float]],
    space: Mapping[str, BaseDistribution],
    *,
    maximise: bool,
    evaluator: str = "fanova",
) -> dict[str, float]:
    """Each parameter's importance for one metric, summing to 1; empty if the metric is constant."""
    if len(pairs) < FEWEST or len({value for _, value in pairs}) == 1:
        return {}
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize" if maximise else "minimize")
    for params, value in pairs:
        study.add_trial(
            optuna.create_trial(params=dict(params), distributions=dict(space), value=value)
        )
    # On ten or twenty trials, PED-ANOVA, Optuna's default, sees a top tenth of one or two.
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
    return run(param_importance, argv)


if __name__ == "__main__":
    sys.exit(main())
