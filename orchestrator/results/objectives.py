"""What a search optimises: columns of the results store, each with a direction."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from orchestrator.results.columns import COLUMNS, COSTS, MEASURED
from orchestrator.results.noise import find_noise_floor
from orchestrator.results.pareto import find_front
from tasks.errors import InvalidValue
from tasks.forget_sets.traits import Trait
from tasks.registry import one_of

DIRECTIONS = {"maximize": 1.0, "max": 1.0, "up": 1.0, "minimize": -1.0, "min": -1.0, "down": -1.0}
SCORE = "score"
SCORE_HELP = (
    "maximize validation_accuracy_retained x validation_indistinguishability x (1 - relative_cost)"
)
OWN = "METRIC:DIRECTION,…"
STEERING = "validation_accuracy_retained", "validation_indistinguishability"


@dataclass(frozen=True)
class Objective:
    """Names of columns (or "score") and, for each, whether it is to be maximised."""

    metrics: tuple[str, ...]
    maximise: tuple[bool, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that `values` reads."""
        metrics = {name for name in self.metrics if name != SCORE}
        return tuple(sorted(metrics | set(SCORING if SCORE in self.metrics else ())))

    def values(self, row: Mapping[str, Any]) -> tuple[float, ...] | None:
        """Return the row's values in the metrics' own units; None if one is missing or not finite."""
        found = [read_value(row, metric) for metric in self.metrics]
        values = tuple(float(v) for v in found if v is not None and math.isfinite(v))
        return values if len(values) == len(found) else None

    def gains(self, row: Mapping[str, Any]) -> tuple[float, ...] | None:
        """`values` with every sign turned so that more is better."""
        values = self.values(row)
        if values is None:
            return None
        return tuple(v if up else -v for v, up in zip(values, self.maximise, strict=True))

    @property
    def directions(self) -> list[Literal["minimize", "maximize"]]:
        """ "maximize" or "minimize" per metric, as Optuna spells them."""
        return ["maximize" if up else "minimize" for up in self.maximise]


OBJECTIVES: dict[str, Objective] = {
    "pareto": Objective((*STEERING, "relative_cost"), (True, True, False)),
    "accuracy": Objective((STEERING[0],), (True,)),
    "mia": Objective((STEERING[1],), (True,)),
    "time": Objective(("relative_cost",), (False,)),
    SCORE: Objective((SCORE,), (True,)),
}
"""The search sees the validation half alone; the test half's columns are only reported."""


def steers_on_test(objective: Objective) -> list[str]:
    """List the columns of an objective that are measured on the test half."""
    return [name for name in _named(objective) if COLUMNS[name].half == "test"]


def find_undefined(objective: Objective, traits: Collection[Trait]) -> dict[str, Trait]:
    """Return the columns of an objective that are null for forget sets of these traits, each with what it lacks."""
    wanted = {name: COLUMNS[name].only for name in _named(objective)}
    return {name: only for name, only in wanted.items() if only is not None and only not in traits}


def _named(objective: Objective) -> list[str]:
    return [name for name in objective.metrics if name != SCORE]


SCORING = (*STEERING, "relative_cost", "unlearn_seconds")
"""Columns that the scalar score and the live view read."""


def read_value(row: Mapping[str, Any], metric: str) -> float | None:
    """Return a row's value of an objective's metric, which may be the score; None if it has none."""
    return score(row) if metric == SCORE else row[metric]


def score(row: Mapping[str, Any]) -> float | None:
    """Accuracy on retained classes times indistinguishability times the share of a retrain saved."""
    accuracy, hidden, cost = row[STEERING[0]], row[STEERING[1]], row["relative_cost"]
    if accuracy is None or hidden is None or cost is None:
        return None
    return float(multiply_score(accuracy, hidden, cost))


def multiply_score(accuracy: Any, hidden: Any, cost: Any) -> Any:
    """Return the score of SCORING's first three columns: numbers, or arrays of them."""
    with np.errstate(
        invalid="ignore", over="ignore"
    ):  # such a score is not finite, and counts as missing
        return accuracy * hidden * np.maximum(0.0, 1 - cost)


def front_rows(rows: list[dict[str, Any]], objective: Objective) -> list[dict[str, Any]]:
    """Return the rows of trials, trajectories included, that no other dominates.

    The original model is a point of cost 0: what it dominates within the references' noise is left out.
    `rows` are those of one sweep, its models among them.
    """
    points = select_points(rows, objective)
    return [points[i][0] for i in find_front([gains for _, gains in points])]


def select_points(
    rows: list[dict[str, Any]], objective: Objective
) -> list[tuple[dict[str, Any], tuple[float, ...]]]:
    """Return the rows of trials that may lie on a front, each with its gains."""
    floor = find_noise_floor(rows)
    points = [(row, objective.gains(row)) for row in rows if row["role"] == "trial"]
    return [
        (row, gains)
        for row, gains in points
        if gains
        and row["state"] != "failed"
        and (
            floor is None
            or SCORE in objective.metrics
            or floor.is_beaten(row, objective.metrics, objective.maximise)
        )
    ]


def objective_named(text: str) -> Objective:
    """Return a registered objective, or a user's own as `metric:direction,…`; raises InvalidValue."""
    if ":" not in text:
        one_of("objective", text, [*OBJECTIVES, OWN])
        return OBJECTIVES[text]
    valid = [column.name for column in (*MEASURED, *COSTS) if column.tier == "row"]
    metrics, maximise = [], []
    for part in text.split(","):
        if part.count(":") > 1:
            raise InvalidValue(
                f"objective {part.strip()!r}: METRIC:DIRECTION names a column; a metric of your own gets one "
                "by an entry point of the group orchestrator.metrics"
            )
        metric, _, direction = part.strip().partition(":")
        metrics.append(one_of("metric", metric, valid))
        maximise.append(DIRECTIONS[one_of("direction", direction, DIRECTIONS)] > 0)
    if len(set(metrics)) < len(metrics):
        raise InvalidValue(f"objective {text!r} names a metric twice")
    return Objective(tuple(metrics), tuple(maximise))
