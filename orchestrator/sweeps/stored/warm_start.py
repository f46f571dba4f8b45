"""What another sweep found, as first trials of a new one: `--warm-start`."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from orchestrator.config import DEFAULT_UNLEARNERS, SweepConfig
from orchestrator.results.objectives import objective_named
from orchestrator.results.recommendation import NEEDED, POINTS
from orchestrator.results.store import read_results
from orchestrator.sweeps.folder import read_config
from tasks.errors import InvalidValue
from tasks.search_space import EPOCHS


def add_warm_points(config: SweepConfig) -> SweepConfig:
    """Return the configuration with the points of the sweep that it starts from; unchanged if it has them.

    They are settings from then on: the other sweep may grow or be deleted. Raises InvalidValue for an unknown
    sweep, and for one without a point of these methods.
    """
    if config.warm_start is None or config.warm_points is not None:
        return config
    points = read_best_points(config.warm_start, config.storage)
    asked = config.unlearners or DEFAULT_UNLEARNERS
    kept = {name: points[name] for name in asked if name in points}
    if not kept:
        raise InvalidValue(
            f"--warm-start {config.warm_start}: that sweep has no point of any method of this one; it has: "
            f"{', '.join(points) or 'none yet'}"
        )
    return dataclasses.replace(config, warm_points=kept)


def read_best_points(name: str, storage: str) -> dict[str, list[dict[str, Any]]]:
    """Return the hyper-parameters of a sweep's front and of each method's best point, by method.

    A point on the way to a last epoch is a trial with fewer epochs.
    """
    base = read_config(name, storage)
    objective = objective_named(base.aim)
    rows = read_results(base.storage, name, {*NEEDED, *objective.columns}).to_pylist()
    found: dict[str, list[dict[str, Any]]] = {}
    for choose in (POINTS["methods"], POINTS["front"]):
        for row in choose(rows, objective):
            params = json.loads(row["params"] or "{}")
            if EPOCHS in params and row["epoch"]:
                params[EPOCHS] = row["epoch"]
            mine = found.setdefault(row["unlearner"], [])
            if params not in mine:
                mine.append(params)
    return found
