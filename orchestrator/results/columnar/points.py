"""The points of a sweep as columns: counts, best values, and which rows decide the front.

A million rows take seconds this way. As objects they would take a minute, and gigabytes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.results.noise import NoiseFloor, find_noise_floor
from orchestrator.results.objectives import OBJECTIVES, SCORE, SCORING, Objective, multiply_score
from orchestrator.results.sweep_rows import TRIAL

if TYPE_CHECKING:
    from numpy.typing import NDArray

Row = dict[str, Any]
PARETO = OBJECTIVES["pareto"]
FAILED, PRUNED = "failed", "pruned"


@dataclass(frozen=True)
class Standing:
    """What the trials of a sweep that have ended amount to."""

    done: int
    """Those that did not fail; `pruned` of them were cut short."""
    failed: int
    pruned: int
    front: list[tuple[float, ...]]
    """The gains of the Pareto front, one each, in the order of PARETO."""
    best: dict[str, float]
    """The best value of each metric of the objective."""


def keep_ended(rows: pa.Table) -> pa.Table:
    """Return the rows of one sweep's trials and models that have a final row."""
    ended = pc.unique(rows.filter(rows["final"])["trial_id"])
    return rows.filter(pc.is_in(rows["trial_id"], value_set=ended))


def mask_trials(rows: pa.Table) -> pa.ChunkedArray:
    """Return for each row whether it is a trial's, thus no model's."""
    return _equal(rows, "role", TRIAL)


def list_models(rows: pa.Table) -> list[Row]:
    """Return the final rows of the models of one sweep."""
    models = pc.and_(pc.invert(mask_trials(rows)), _is_final(rows))
    return list(rows.filter(models).to_pylist())


def count_trials(rows: pa.Table) -> Counter[str | None]:
    """Count the trials that have ended, by method."""
    ended = rows.filter(pc.and_(mask_trials(rows), _is_final(rows)))
    return Counter(dict(_count(ended["unlearner"])))


def sum_up(rows: pa.Table, objective: Objective, floor: NoiseFloor | None) -> Standing:
    """Sum up the trials among the rows of one sweep; see `Progress.finish` for what counts.

    `rows` have the columns of the objective, SCORING, role, state and final.
    """
    trials = rows.filter(mask_trials(rows))
    states = dict(_count(trials.filter(_is_final(trials))["state"]))
    failed = states.get(FAILED, 0)
    trials = trials.filter(pc.invert(pc.and_(_equal(trials, "state", FAILED), _is_final(trials))))
    values = _measure(trials, objective)
    values = values[np.isfinite(values).all(1)]
    best = [
        float(column.max() if up else column.min())
        for column, up in zip(values.T, objective.maximise, strict=True)
        if len(column)
    ]
    gains = _measure(trials, PARETO) * _signs(PARETO)
    points = gains[np.isfinite(gains).all(1) & _mask_beating(trials, PARETO, floor)]
    return Standing(
        done=sum(states.values()) - failed,
        failed=failed,
        pruned=states.get(PRUNED, 0),
        front=[tuple(point) for point in points[find_front_of_many(points)].tolist()],
        best=dict(zip(objective.metrics, best, strict=False)),
    )


def keep_telling(rows: pa.Table, objective: Objective) -> pa.Table:
    """Return the rows of one sweep that a table of its front shows, in their order.

    These are the front, the models, and the last rows of the trials that failed or were pruned. The front of
    these rows is the front of all: see `front_rows`.
    """
    is_trial = mask_trials(rows)
    failed = _equal(rows, "state", FAILED)
    cut_short = pc.and_(pc.or_(failed, _equal(rows, "state", PRUNED)), _is_final(rows))
    kept = _to_numpy(pc.or_(pc.invert(is_trial), cut_short))
    gains = _measure(rows, objective) * _signs(objective)
    points = np.isfinite(gains).all(1) & _to_numpy(pc.and_(is_trial, pc.invert(failed)))
    if SCORE not in objective.metrics:
        points &= _mask_beating(rows, objective, find_noise_floor(list_models(rows)))
    for may_lie in (points, points & _mask_meeting(rows, objective)):
        among = np.flatnonzero(may_lie)
        kept[among[find_front_of_many(gains[among])]] = True
    return rows.filter(pa.array(kept))


def has_points(rows: pa.Table, objective: Objective) -> bool:
    """Tell whether a trial among the rows of one sweep has a point with a value of all that the objective asks for."""
    gave = pc.and_(mask_trials(rows), pc.invert(_equal(rows, "state", FAILED)))
    return bool((np.isfinite(_measure(rows, objective)).all(1) & _to_numpy(gave)).any())


def find_front_of_many(points: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the indices of the points (N, values) that no other dominates, as `find_front` does.

    Values are finite, and larger is better. It takes N log N, and N for each point of the front.
    """
    if not len(points):
        return np.empty(0, np.intp)
    spread = points.max(0) - points.min(0)
    shares = points / np.where((spread > 0) & np.isfinite(spread), spread, 1.0)
    # Sums round alike, so that what dominates has at least the same sum; then the values themselves decide.
    order = np.lexsort([np.arange(len(points)), *(-points.T[::-1]), -shares.sum(1)])
    left, kept = points[order], []
    while len(order):
        kept.append(order[0])
        uncovered = (left > left[0]).any(1)
        left, order = left[uncovered], order[uncovered]
    return np.sort(np.array(kept, np.intp))


def _measure(rows: pa.Table, objective: Objective) -> NDArray[np.float64]:
    """Return the values (rows, metrics) in the metrics' own units; not a number where one is missing."""
    columns = [
        multiply_score(*(_read_column(rows, n) for n in SCORING[:3]))
        if metric == SCORE
        else _read_column(rows, metric)
        for metric in objective.metrics
    ]
    return np.stack(columns, 1)


def _signs(objective: Objective) -> NDArray[np.float64]:
    return np.where(objective.maximise, 1.0, -1.0)


def _mask_beating(
    rows: pa.Table, objective: Objective, floor: NoiseFloor | None
) -> NDArray[np.bool_]:
    """Return for each row what `NoiseFloor.is_beaten` says; true without a floor."""
    judged = [] if floor is None else floor.list_judged(objective.metrics, objective.maximise)
    if floor is None or not judged:
        return np.ones(len(rows), bool)
    beating = np.zeros(len(rows), bool)
    for name, up in judged:
        its = floor.original.get(name)
        if its is not None and name in rows.column_names:
            gains = (_read_column(rows, name) - its) * (1 if up else -1)
            beating |= gains > floor.least_gain(name)  # false where it is not a number
    return beating


def _mask_meeting(rows: pa.Table, objective: Objective) -> NDArray[np.bool_]:
    """Return for each row what `Objective.meets_limits` says."""
    meeting = np.ones(len(rows), bool)
    for limit in objective.required:
        values = _read_column(rows, limit.column)
        meeting &= np.isfinite(values) & (limit.exceed(values) <= 0)
    return meeting


def _read_column(rows: pa.Table, name: str) -> NDArray[np.float64]:
    values = pc.fill_null(rows[name].cast(pa.float64()), np.nan)
    return np.asarray(values.to_numpy())


def _count(values: pa.ChunkedArray) -> list[tuple[Any, int]]:
    return [(v["values"], v["counts"]) for v in pc.value_counts(values).to_pylist()]


def _equal(rows: pa.Table, column: str, value: str) -> pa.ChunkedArray:
    return pc.fill_null(pc.equal(rows[column], value), False)


def _is_final(rows: pa.Table) -> pa.ChunkedArray:
    return pc.fill_null(rows["final"], False)


def _to_numpy(mask: pa.ChunkedArray) -> NDArray[np.bool_]:
    return np.array(mask.to_numpy(), bool)
