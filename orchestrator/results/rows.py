"""The rows of the store, made from the points of a trial."""

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
    """Estimate the seconds of a retrain on a trial's CPUs and GPUs, at a speed proportional to them.

    The retrained model was trained on all CPUs of a node, or on a whole GPU. Returns infinity if its
    row lacks the numbers, as rows of older versions do.
    """
    on_a_cpu = retrained["device"] == "cpu"
    if retrained["unlearn_seconds"] is None or (on_a_cpu and retrained["threads"] is None):
        return math.inf
    had = retrained["threads"] / cpus if on_a_cpu else 1 / (gpus or 1.0)
    return float(retrained["unlearn_seconds"]) * max(1.0, had)


def params_json(params: dict[str, Any]) -> str:
    """Return hyper-parameters as JSON, in the form of the store."""
    return json.dumps(params, sort_keys=True)
