"""From points of a trial to rows of the store."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tasks.task import content_key

if TYPE_CHECKING:
    from tasks.trial import Point

Row = dict[str, Any]


def trial_key(task_key: str, unlearner: str | None, params: dict[str, Any], seed: int) -> str:
    """The content key of what was run: it names the trial's file in the store."""
    return content_key(task=task_key, unlearner=unlearner, params=params, seed=seed)


def trial_rows(
    points: Sequence[Point],
    *,
    state: str,
    error: str | None = None,
    **identity: Any,
) -> list[Row]:
    """One row per point, the last one final.

    A trial that failed keeps the points before it did, as complete ones, and ends in a row without
    metrics at the epoch that it did not reach. `identity` are the columns that say which trial it
    is and where it ran.
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
            **point.metrics,
            **asdict(point.cost),
        }
        for point in points
    ]
    if failed:
        epoch = points[-1].epoch + 1 if points else 0
        rows.append({**common, "state": state, "error": error, "epoch": epoch, "final": True})
    return rows


def retrain_seconds(retrained: Row, cpus: int, gpus: float) -> float:
    """What a full retrain would take on what a trial has, as if speed went with it.

    It was trained on all CPUs of a node, or with a GPU to itself. Infinite if its row, of an older
    version, does not say.
    """
    on_a_cpu = retrained["device"] == "cpu"
    if retrained["unlearn_seconds"] is None or (on_a_cpu and retrained["threads"] is None):
        return math.inf
    had = retrained["threads"] / cpus if on_a_cpu else 1 / (gpus or 1.0)
    return float(retrained["unlearn_seconds"]) * max(1.0, had)


def params_json(params: dict[str, Any]) -> str:
    """Hyper-parameters as the store keeps them."""
    return json.dumps(params, sort_keys=True)
