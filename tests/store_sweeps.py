"""Made-up sweeps in a storage root: a configuration, the models, and points of trials."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from store_rows import NOON, Row

from orchestrator.config import SweepConfig
from orchestrator.results.store import write_rows
from orchestrator.sweeps.folder import store_config
from tasks.storage.roots import open_root

Values = tuple[float, float, float]
"""Accuracy, indistinguishability and relative cost of a point, on both halves alike."""
ORIGINAL: Values = (0.90, 0.10, 0.0)
REFERENCES: Sequence[Values] = ((0.90, 0.97, 1.0), (0.92, 0.99, 1.0), (0.91, 0.95, 1.0))
"""Standard deviations .01 and .02: a further retrain lies within .0497 and .0994 of the means."""

POINTS: Sequence[Values | None] = ((0.88, 0.65, 0.01), (0.80, 0.91, 0.23), None)
"""Two trials, and one that failed."""


def make_row(trial_id: str, values: Values | None, **columns: Any) -> Row:
    """The one row of a trial or model; one without values failed."""
    accuracy, hidden, cost = values or (None, None, None)
    return {
        "trial_id": trial_id, "role": "trial", "unlearner": trial_id.rpartition("-")[0], "params": "{}",
        "task": "digits-class:1", "model": "small-cnn", "task_seed": 0, "seed": 0, "threads": 1, "references": 3,
        "epoch": 1, "final": True, "state": "complete" if values else "failed", "data": "d",
        "validation_accuracy_retained": accuracy, "test_accuracy_retained": accuracy,
        "validation_indistinguishability": hidden, "indistinguishability": hidden, "relative_cost": cost,
        "unlearn_seconds": 1.0, "trial_key": f"{trial_id}key", "finished_at": NOON, **columns,
    }  # fmt: skip


def make_sweep(
    root: str,
    name: str,
    points: Sequence[Values | None],
    *,
    models: tuple[Values, Sequence[Values]] = (ORIGINAL, REFERENCES),
    minute: int = 0,
    config: dict[str, Any] | None = None,
    ends: Mapping[str, datetime] | None = None,
    **columns: Any,
) -> SweepConfig:
    """Store a sweep of `ssd`, one trial a point; a point that is None failed.

    All ended so many minutes past noon, or each at its time in `ends`.
    """
    settings = SweepConfig(
        **{"name": name, "storage": root, "task": "digits-class:1", "unlearners": ("ssd",), "model": "small-cnn",
           "trials": len(points), "references": 3, "budgets": {"ssd": len(points)}, **(config or {})}
    )  # fmt: skip
    store_config(settings, open_root(f"{root}/sweeps/{name}"))
    shared = {"sweep": name, "confirms": settings.confirms, **columns}
    rows = [make_row("original", models[0], role="original", unlearner=None)]
    rows += [
        make_row(
            f"reference-{n}" if n else "retrained", values, role="retrained", unlearner="retrain"
        )
        for n, values in enumerate(models[1])
    ]
    rows += [
        make_row(
            f"ssd-{n}", values, params=json.dumps({"selection": 10.0 + n}),
            error=None if values else f"RuntimeError: my bug {n} (bad.py:17)",
            finished_at=(ends or {}).get(f"ssd-{n}", NOON + timedelta(minutes=minute)),
        )
        for n, values in enumerate(points)
    ]  # fmt: skip
    for row in rows:
        prefix = "" if row["role"] == "trial" else f"{row['trial_id']}-"
        write_rows(root, name, f"{prefix}{row['trial_key']}", [{**row, **shared}])
    return settings


def damage(root: str, file: str) -> None:
    """Cut an object in half."""
    place = open_root(root)
    content = place.read(file) or b""
    place.write(file, content[: len(content) // 2])


def contents(root: str, folder: str = "") -> dict[str, bytes]:
    """All objects below a folder but for locks, by name."""
    place = open_root(root)
    found: dict[str, bytes] = {}
    for name in place.list_names(folder):
        path = f"{folder}/{name}" if folder else name
        if name.endswith("/"):
            found |= contents(root, path.rstrip("/"))
        elif not name.endswith(".lock"):
            found[path] = place.read(path) or b""
    return found
