"""The results store at scale: write, read, compact, find the front, tell the status.

    python -m benchmarks.stored.store [--rows 100000]

Rows come ten to a trial, hence to a file, as anytime methods write them. Ratios are to reading the
same rows from one compacted file. A status is the whole command, in a process of its own.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import RESULTS, show, write
from orchestrator.config import SweepConfig
from orchestrator.results.objectives import OBJECTIVES
from orchestrator.results.pareto import find_front
from orchestrator.results.store import compact_rows, read_results, write_rows
from orchestrator.sweeps.folder import store_config
from tasks.storage.roots import open_root

EPOCHS = 10
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def main() -> None:
    """Measure every step, print the table, write the Parquet file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--out", type=Path, default=RESULTS / "store.parquet")
    options = parser.parse_args()
    rows = []
    for count in options.rows:
        with tempfile.TemporaryDirectory() as storage:
            rows += [{"rows": count, **row} for row in measured(storage, count)]
    write(rows, options.out)
    base = {r["rows"]: r["seconds"] for r in rows if r["step"] == "read, compacted"}
    show(
        "Results store, ten rows to a trial",
        ["step", "rows", "ratio", "seconds", "microseconds a row", "MB"],
        [
            [
                row["step"],
                f"{row['rows']:,}",
                f"{row['seconds'] / base[row['rows']]:.1f}",
                f"{row['seconds']:.2f}",
                f"{1e6 * row['seconds'] / row['rows']:.1f}",
                f"{row['megabytes']:.0f}" if row["megabytes"] else "-",
            ]
            for row in rows
        ],
    )


def measured(storage: str, count: int) -> list[dict[str, Any]]:
    """Seconds of each step over `count` rows."""
    steps: dict[str, Callable[[], Any]] = {
        "write, a file per trial": lambda: fill(storage, count),
        "read, a file per trial": lambda: read_results(storage, "s"),
        "status, a file per trial": lambda: run_status(storage),
        "compact": lambda: compact_rows(storage),
        "read, compacted": lambda: read_results(storage, "s"),
        "read, then the front": lambda: select_front(storage),
        "status, compacted": lambda: run_status(storage),
    }
    rows = []
    for step, action in steps.items():
        start = time.perf_counter()
        found = action()
        row = {"step": step, "seconds": time.perf_counter() - start}
        rows.append(row | {"megabytes": found if isinstance(found, float) else None})
    return rows


def run_status(storage: str) -> float:
    """Run the command `status`; return the most memory that it had, in MB."""
    command = [sys.executable, "-m", "orchestrator", "status", "s", "--storage", storage]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return usage.ru_maxrss / 1024


def fill(storage: str, count: int) -> None:
    """Write plausible trials, and the configuration of their sweep."""
    trials = count // EPOCHS
    config = SweepConfig(
        name="s", storage=storage, task="digits-class:1", unlearners=("finetune",), trials=trials,
        budgets={"finetune": trials},
    )  # fmt: skip
    store_config(config, open_root(f"{storage}/sweeps/s"))
    rng = np.random.default_rng(0)
    for trial in range(trials):
        name = f"finetune-{trial:06d}"
        quality = rng.random((EPOCHS, 2)).tolist()
        rows = [
            {
                "sweep": "s", "trial_id": name, "role": "trial", "unlearner": "finetune", "references": 2,
                "state": "complete", "epoch": epoch, "final": epoch == EPOCHS, "finished_at": NOW,
                "validation_accuracy_retained": accuracy, "validation_indistinguishability": mia,
                "relative_cost": 0.01 * epoch, "unlearn_seconds": float(epoch), "params": '{"lr": 0.01, "epochs": 10}',
            }
            for epoch, (accuracy, mia) in enumerate(quality, 1)
        ]  # fmt: skip
        write_rows(storage, "s", name, rows)


def select_front(storage: str) -> int:
    """Points on the Pareto front."""
    pareto = OBJECTIVES["pareto"]
    rows = read_results(storage, "s", pareto.columns).to_pylist()
    gains = [pareto.gains(row) for row in rows]
    return len(find_front([g for g in gains if g is not None]))


if __name__ == "__main__":
    main()
