"""What a search aims at: columns of the results store, each with a direction, and limits that a point must meet."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from orchestrator.results.columns import COLUMNS, COSTS, MEASURED, METRICS
from orchestrator.results.noise import Bar, NoiseFloor, find_noise_floor
from orchestrator.results.pareto import find_front
from tasks.errors import InvalidValue
from tasks.forget_sets.traits import Trait
from tasks.registry import one_of

DIRECTIONS = {"maximize": 1.0, "max": 1.0, "up": 1.0, "minimize": -1.0, "min": -1.0, "down": -1.0}
SCORE = "score"
OWN = "METRIC:DIRECTION,…"
AT_LEAST, AT_MOST = ">=", "<="
STEERING = "validation_accuracy_retained", "validation_indistinguishability"


@dataclass(frozen=True)
class Requirement:
    """A limit that a point must meet: a column is at least, or at most, a value."""

    column: str
    sign: str
    """AT_LEAST or AT_MOST."""
    value: float

    def __str__(self) -> str:
        return f"{self.column}{self.sign}{self.value:g}"

    def measure_excess(self, row: Mapping[str, Any]) -> float:
        """Return by how much a row misses the limit, in the column's unit: at most 0 if the row meets it.

        Infinite for a row without a finite value.
        """
        found = row.get(self.column)
        if found is None or not math.isfinite(found):
            return math.inf
        return float(self.exceed(found))

    def exceed(self, found: Any) -> Any:
        """Return by how much a number, or each of an array, misses the limit."""
        return self.value - found if self.sign == AT_LEAST else found - self.value


@dataclass(frozen=True)
class Objective:
    """Names of columns (or "score") and, for each, whether it is to be maximised."""

    metrics: tuple[str, ...]
    maximise: tuple[bool, ...]
    required: tuple[Requirement, ...] = ()
    """Limits: what misses one is not recommended."""
    help: str = ""
    """One line of a registered objective."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that `values` and `meets_limits` read."""
        names = {name for name in self.metrics if name != SCORE} | {r.column for r in self.required}
        return tuple(sorted(names | set(SCORING if SCORE in self.metrics else ())))

    def meets_limits(self, row: Mapping[str, Any]) -> bool:
        """Tell whether a row meets every limit."""
        return all(limit.measure_excess(row) <= 0 for limit in self.required)

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
    "pareto": Objective(
        (*STEERING, "relative_cost"), (True, True, False), help="as a model that never saw the data"
    ),
    "forget": Objective(
        (STEERING[0], "forget_accuracy", "relative_cost"),
        (True, False, False),
        help="as little as possible is right of a forgotten class; for other forget sets take pareto, as a retrained "
        "model is right about most of them",
    ),
    "accuracy": Objective((STEERING[0],), (True,), help="the retained classes alone"),
    "mia": Objective((STEERING[1],), (True,), help="the attacks alone"),
    "time": Objective(("relative_cost",), (False,), help="the cost alone"),
    SCORE: Objective(
        (SCORE,), (True,), help=f"{STEERING[0]} x {STEERING[1]} x (1 - relative_cost)"
    ),
}
"""The search sees the validation half alone; the test half's columns are only reported."""


def steers_on_test(objective: Objective) -> list[str]:
    """List the columns of an objective that are measured on the test half."""
    return [name for name in _named(objective) if COLUMNS[name].half == "test"]


def steers_on_whole(objective: Objective) -> list[str]:
    """List the metrics of an objective and its limits that are of no half: they are reported as they steered."""
    names = [*_named(objective), *(limit.column for limit in objective.required)]
    return [n for n in dict.fromkeys(names) if n in METRICS and COLUMNS[n].half == "none"]


def find_undefined(objective: Objective, traits: Collection[Trait]) -> dict[str, Trait]:
    """Return the columns of an objective that are null for forget sets of these traits, each with what it lacks."""
    names = [*_named(objective), *(limit.column for limit in objective.required)]
    wanted = {name: COLUMNS[name].only for name in names}
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


def rate_attempt(row: Mapping[str, Any]) -> float:
    """Return accuracy × indistinguishability of the validation half; −inf for a row without a score.

    By this a method's best attempt is chosen. The score would choose the cheapest one, which has done next to nothing.
    """
    if score(row) is None:
        return -math.inf
    value = math.prod(row[name] for name in STEERING)
    return value if math.isfinite(value) else -math.inf


def multiply_score(accuracy: Any, hidden: Any, cost: Any) -> Any:
    """Return the score of SCORING's first three columns: numbers, or arrays of them."""
    with np.errstate(
        invalid="ignore", over="ignore"
    ):  # such a score is not finite, and counts as missing
        return accuracy * hidden * np.maximum(0.0, 1 - cost)


def front_rows(rows: list[dict[str, Any]], objective: Objective) -> list[dict[str, Any]]:
    """Return the rows of trials, trajectories included, that no other dominates.

    The original model is a point of cost 0: what it dominates within the references' noise is left out.
    A row that misses a limit of the objective dominates none that meets all. `rows` are those of one sweep, its
    models among them.
    """
    points = select_points(rows, objective)
    meeting = [i for i, (row, _) in enumerate(points) if objective.meets_limits(row)]
    good = {meeting[i] for i in find_front([points[i][1] for i in meeting])}
    others = set(find_front([gains for _, gains in points])).difference(meeting)
    return [points[i][0] for i in sorted(good | others)]


@dataclass(frozen=True)
class FrontRule:
    """What a point must be to lie on a front. It is small: every worker of a sweep has it."""

    objective: Objective
    bars: tuple[Bar, ...] | None = None
    """What a point must exceed one of; None if nothing."""

    @classmethod
    def of(cls, objective: Objective, floor: NoiseFloor | None) -> FrontRule:
        """Make the rule of a sweep from the noise floor that its models show, if it is known."""
        if floor is None or SCORE in objective.metrics:
            return cls(objective)
        bars = floor.list_bars(objective.metrics, objective.maximise)
        return cls(objective, None if bars is None else tuple(bars))

    def read_gains(self, row: Mapping[str, Any]) -> tuple[float, ...] | None:
        """Return the row's gains; None if it may lie on no front."""
        gains = self.objective.gains(row)
        if gains is None or self.bars is None or any(bar.is_exceeded(row) for bar in self.bars):
            return gains
        return None

    def is_met(self, row: Mapping[str, Any]) -> bool:
        """Tell whether a row may lie on a front and meets every limit of the objective."""
        return self.read_gains(row) is not None and self.objective.meets_limits(row)


def select_points(
    rows: list[dict[str, Any]], objective: Objective
) -> list[tuple[dict[str, Any], tuple[float, ...]]]:
    """Return the rows of trials that may lie on a front, each with its gains."""
    rule = FrontRule.of(objective, find_noise_floor(rows))
    points = [(row, rule.read_gains(row)) for row in rows if row["role"] == "trial"]
    return [(row, gains) for row, gains in points if gains and row["state"] != "failed"]


def objective_named(text: str) -> Objective:
    """Return a registered objective, or a user's own as `metric:direction,…`; raises InvalidValue.

    Limits may stand among its parts, as in `pareto,validation_accuracy_retained>=.85`: see `read_requirement`.
    """
    parts = text.split(",")
    limits = [part for part in parts if AT_LEAST in part or AT_MOST in part]
    aim = _read_aim(",".join(part for part in parts if part not in limits))
    return replace(aim, required=tuple(map(read_requirement, limits))) if limits else aim


def read_requirement(text: str) -> Requirement:
    """Read a limit, as METRIC>=VALUE or METRIC<=VALUE, of a metric that may steer a search, or of a cost.

    Raises InvalidValue, which names the valid choices: for what is measured on the test half, too.
    """
    sign = AT_LEAST if AT_LEAST in text else AT_MOST
    name, found, value = (part.strip() for part in text.partition(sign))
    if not found:
        raise InvalidValue(
            f"--require {text}: not of the form METRIC{AT_LEAST}VALUE or {AT_MOST}; in quotes, as a shell takes > and "
            "< for itself"
        )
    if name in COLUMNS and COLUMNS[name].half == "test":
        seen = f"validation_{name.removeprefix('test_')}"
        instead = f"; {seen} is" if seen in COLUMNS else ""
        raise InvalidValue(f"--require {text}: the test half is not for choosing points{instead}")
    valid = [c.name for c in (*MEASURED, *COSTS) if c.tier == "row" and c.half != "test"]
    one_of("metric of --require", name, valid)
    try:
        limit = float(value)
    except ValueError:
        limit = math.nan
    if not math.isfinite(limit):
        raise InvalidValue(f"--require {text}: {value!r} is not a number")
    return Requirement(name, sign, limit)


def _read_aim(text: str) -> Objective:
    if ":" not in text:
        return OBJECTIVES[one_of("objective", text.strip(), [*OBJECTIVES, OWN])]
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
