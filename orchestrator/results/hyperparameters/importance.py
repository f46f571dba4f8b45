"""How much each hyper-parameter of a method mattered, over the trials that a store holds; computed by Optuna."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from orchestrator.results.objectives import Objective
from orchestrator.results.sweep_rows import Row

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Params = Mapping[str, Any]
FEWEST = 4
"""Least number of distinct settings: with fewer, an importance means nothing."""
ROUGH = 20
"""Number of trials below which importances are only a rough hint."""


def read_settings(rows: Sequence[Row]) -> list[Params]:
    """Return the hyper-parameters of each row."""
    return [json.loads(row["params"] or "{}") for row in rows]


def count_settings(rows: Sequence[Row]) -> int:
    """Count the distinct settings among the rows: below FEWEST, importances mean nothing."""
    return len({json.dumps(params, sort_keys=True) for params in read_settings(rows)})


def weigh_hyperparameters(
    rows: Sequence[Row], objective: Objective, evaluator: str = "fanova"
) -> dict[str, list[float | None]]:
    """Return the importance of each hyper-parameter that varied, for each metric of the objective.

    `rows` are last points of one method's trials. The most important comes first. None: the metric is missing
    or constant. For `evaluator` see `compute_importances`.
    """
    encoded, space = encode_settings(read_settings(rows))
    values = [objective.values(row) for row in rows]
    columns = []
    for index, maximise in enumerate(objective.maximise):
        pairs = [(p, v[index]) for p, v in zip(encoded, values, strict=True) if v is not None]
        columns.append(compute_importances(pairs, space, maximise=maximise, evaluator=evaluator))
    order = sorted(space, key=lambda name: -max(column.get(name, 0.0) for column in columns))
    return {name: [column.get(name) for column in columns] for name in order}


def encode_settings(settings: Sequence[Params]) -> tuple[list[Params], dict[str, BaseDistribution]]:
    """Return settings in the form of a study, and the distribution of each parameter that varied.

    The distributions come from the values, because a store holds the trials that ran, and not the
    search space. A number is replaced by its rank, as a share. The reason: fANOVA averages over the
    box of values, and the scale of the search is unknown here. So the importance of a parameter is
    its importance over the tried values.
    """
    from optuna.distributions import CategoricalDistribution, FloatDistribution

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

    The importances sum to 1. `evaluator` is fanova or ped-anova; docs of optuna.importance have the sources.
    """
    import optuna
    from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator

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
