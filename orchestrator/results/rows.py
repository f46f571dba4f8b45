"""The rows of the store, made from the points of a trial."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tasks.provenance import content_key

if TYPE_CHECKING:
    from tasks.trial import Point

Row = dict[str, Any]

OWN_SECONDS = "load_seconds", "unlearn_seconds", "evaluate_seconds"
"""Columns whose sum is what a trial took up to a point."""


def sum_own_seconds(row: Mapping[str, Any]) -> float:
    """Return the seconds that a trial took up to this point; 0 for a row without measurements."""
    return float(sum(row.get(name) or 0.0 for name in OWN_SECONDS))


def trial_key(task_key: str, unlearner: str | None, params: dict[str, Any], seed: int) -> str:
    """Return the content key of a trial: the name of its file in the store."""
    return content_key(task=task_key, unlearner=unlearner, params=params, seed=seed)


def trial_rows(
    points: Sequence[Point],
    *,
    state: str,
    error: str | None = None,
    **identity: Any,
) -> list[Row]:
    """Return one row per point; the last row is final.

    A failed trial keeps its points before the failure as complete rows. Its last row has no metrics,
    at the epoch that it did not reach. `identity` are the columns that identify the trial and the
    machine.
    """
    common = {**identity, "finished_at": datetime.now(UTC)}
    failed = state == "failed"
    measured = {"state": "complete"} if failed else {"state": state, "error": error}
    rows = [
        {
            **common,
            **measured,
            "epoch": point.epoch,
            "final": not failed and point is points[-1],
            "measured": point.measured,
            **point.metrics,
            **asdict(point.cost),
        }
        for point in points
    ]
    if failed:
        epoch = points[-1].epoch + 1 if points else 0
        rows.append({**common, "state": state, "error": error, "epoch": epoch, "final": True})
    return rows


def params_json(params: dict[str, Any]) -> str:
    """Return hyper-parameters as JSON, in the form of the store."""
    return json.dumps(params, sort_keys=True)
