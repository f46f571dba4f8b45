"""The one configuration that a sweep recommends, and the points of its front that are tied with a cheaper one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import Any

from orchestrator.results.noise import FREE, NoiseFloor, find_noise_floor
from orchestrator.results.objectives import (
    SCORING,
    STEERING,
    Objective,
    front_rows,
    rate_attempt,
    score,
)
from orchestrator.results.sweep_rows import TRIAL
from tasks.registry import one_of

Row = dict[str, Any]
COST = "relative_cost"
RULE = (
    "the cheapest point of the front that is as good as the one with the highest score, up to one standard "
    "deviation between retrains"
)
"""In the manner of the one-standard-error rule (Breiman et al., 1984, section 3.4.3)."""
TIED = "no better than a cheaper point of the front, beyond the noise between retrains"


def recommend_point(rows: list[Row], objective: Objective) -> Row | None:
    """Choose one point of the front of a sweep's rows, its models among them; see `choose_point`."""
    return choose_point(front_rows(rows, objective), find_noise_floor(rows), objective)


def choose_point(
    front: Sequence[Row], floor: NoiseFloor | None, objective: Objective | None = None
) -> Row | None:
    """Choose one point of a front by RULE, among those that meet the objective's limits; None if there is none.

    As good means: in accuracy and in indistinguishability, both on the validation half.
    """
    meeting = [row for row in front if objective is None or objective.meets_limits(row)]
    front = [row for row in meeting if score(row) is not None]
    if not front:
        return None
    best = max(front, key=lambda row: score(row) or 0.0)
    spread = {name: floor.spread(name) if floor else 0.0 for name in STEERING}
    as_good = [row for row in front if all(row[n] >= best[n] - spread[n] for n in STEERING)]
    return min(as_good, key=lambda row: (row[COST], -(score(row) or 0.0)))


def recommend_for_methods(rows: Iterable[Row], objective: Objective) -> dict[str, Row | None]:
    """Choose a point of each method, by name, as if it had been the sweep's only one; see `recommend_point`.

    None for a method no point of which is better than the original beyond the noise, and meets the limits.
    """
    return {
        method: recommend_point(own, objective)
        for method, own in split_by_method(list(rows)).items()
    }


def split_by_method(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return the rows of each method with those of the models, by its name."""
    models = [row for row in rows if row["role"] != TRIAL]
    trials = [row for row in rows if row["role"] == TRIAL and row["unlearner"]]
    return {
        method: [*models, *(row for row in trials if row["unlearner"] == method)]
        for method in sorted({row["unlearner"] for row in trials})
    }


class Lack(Enum):
    """Why nothing is recommended."""

    POINT = "no trial gave a point"
    GAIN = "no point is better than the original model beyond the noise between retrains"
    LIMITS = "no point that is better than the original model meets what is required"
    SCORE = "no point of the front has a score: accuracy × indistinguishability × (1 − cost)"


def explain_lack(front: Sequence[Row], objective: Objective, *, measured: bool) -> Lack:
    """Say why no point of a front is recommended; `measured` is whether there is any point at all."""
    if any(map(objective.meets_limits, front)):
        return Lack.SCORE
    if front:
        return Lack.LIMITS
    return Lack.GAIN if measured else Lack.POINT


def choose_of_each_method(rows: Sequence[Row], objective: Objective) -> list[Row]:
    """Return one point of each method: the recommended one, else its best attempt.

    That is the point with the highest `rate_attempt`. So a method that does not beat the original is there to be
    compared with. A method without any measured point is left out.
    """
    trials = [row for row in rows if row["role"] == TRIAL and score(row) is not None]
    found = []
    for method, row in recommend_for_methods(rows, objective).items():
        own = [other for other in trials if other["unlearner"] == method]
        if row is not None or own:
            found.append(row or max(own, key=rate_attempt))
    return found


POINTS: dict[str, Callable[[list[Row], Objective], list[Row]]] = {
    "front": front_rows,
    "methods": choose_of_each_method,
}
"""Which points of a sweep `confirm` runs again."""
NEEDED = ("role", "unlearner", "trial_id", "state", "epoch", "final", "params", *SCORING)
"""Columns by which points are chosen and identified, in addition to the objective's columns."""


def check_points(points: str) -> str:
    """Return the name of a choice of points; raise InvalidValue, which lists the valid ones."""
    return one_of("choice of points", points, POINTS)


def find_tied(front: Sequence[Row], floor: NoiseFloor | None, objective: Objective) -> list[bool]:
    """Tell for each point of a front whether it is tied: see TIED.

    Never, if nothing is known of the noise, or if the objective asks for costs alone.
    """
    asked = [
        (name, up)
        for name, up in zip(objective.metrics, objective.maximise, strict=True)
        if name not in FREE
    ]
    if floor is None or not asked or any(name not in row for row in front for name, _ in asked):
        return [False] * len(front)

    def is_no_better(row: Row, other: Row) -> bool:
        gains = [(row[name] - other[name]) * (1 if up else -1) for name, up in asked]
        return all(g <= floor.least_gain(n) for g, (n, _) in zip(gains, asked, strict=True))

    return [
        any(other[COST] < row[COST] and is_no_better(row, other) for other in front)
        for row in front
    ]
