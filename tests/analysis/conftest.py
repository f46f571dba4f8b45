"""Results stores as sweeps leave them, written by the store itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.results.store import write_rows

Row = dict[str, Any]
START = datetime(2026, 1, 1, tzinfo=UTC)


def make_row(trial_id: str, **columns: Any) -> Row:
    """A plausible complete last point; `accuracy` and `mia` set both halves' columns."""
    accuracy, mia = columns.pop("accuracy", 0.85), columns.pop("mia", 0.52)
    role = trial_id if trial_id in ("original", "retrained") else "trial"
    method = trial_id.rpartition("-")[0] if role == "trial" else None
    row = {
        "sweep": "deck",
        "trial_id": trial_id,
        "role": role,
        "task": "cifar10-class:automobile",
        "unlearner": method,
        "params": json.dumps(columns.pop("params", {"lr": 0.01})) if method else None,
        "seed": 0,
        "references": 2,
        "epoch": 1,
        "final": True,
        "state": "complete",
        "unlearn_seconds": 10.0,
        "mia_simple_accuracy": 0.9,
        "test_accuracy_forgotten": 0.4,
        "retain_accuracy": 0.95,
        "forget_accuracy": 0.5,
        "finished_at": START,
    }
    for half, prefix in (("validation_", "validation_"), ("test_", "")):
        row[f"{half}accuracy_retained"] = accuracy
        row[f"{prefix}mia_class_matched_accuracy"] = mia
        row[f"{prefix}indistinguishability"] = 1 - abs(2 * mia - 1)
    row["relative_cost"] = columns.get("unlearn_seconds", 10.0) / 500
    return {**row, **columns}


@pytest.fixture
def row() -> Callable[..., Row]:
    """The factory of rows."""
    return make_row


@pytest.fixture
def store(tmp_path: Path) -> Callable[..., Path]:
    """Writes rows, one file per trial, and returns the storage root."""

    def write(*rows: Row) -> Path:
        trials: dict[tuple[str, str], list[Row]] = {}
        for each in rows:
            trials.setdefault((each["sweep"], each["trial_id"]), []).append(each)
        for minute, ((sweep, trial_id), members) in enumerate(trials.items()):
            moment = timedelta(minutes=minute)
            stamped = [{**r, "finished_at": r["finished_at"] + moment} for r in members]
            write_rows(tmp_path / "results", sweep, trial_id, stamped)
        return tmp_path / "results"

    return write


@pytest.fixture
def baselines() -> list[Row]:
    """The original's and the retrained model's rows."""
    return [
        make_row(
            "original",
            accuracy=0.88,
            mia=0.5,
            epoch=0,
            unlearn_seconds=0.0,
            relative_cost=0.0,
            test_accuracy_forgotten=0.93,
        ),
        make_row(
            "retrained",
            accuracy=0.89,
            mia=0.5,
            epoch=20,
            unlearn_seconds=600.0,
            relative_cost=1.0,
            test_accuracy_forgotten=0.0,
        ),
    ]
