"""What a driver does with the rows of a long sweep before it goes on: reads them and builds its studies.

    python -m benchmarks.stored.resume [--trials 10000] [--epochs 3]

Made-up trials of one method, with a row for each epoch, are stored as workers store them, a file per
trial, and merged. The ratio is to reading the merged rows.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.report import RESULTS, show, write
from orchestrator.results.objectives import OBJECTIVES
from orchestrator.results.rows import trial_key
from orchestrator.results.store import compact_rows, read_finished_trials, write_rows
from orchestrator.search.study import UnlearnerStudy
from orchestrator.search.view import JournalView

METHOD, TASK = "finetune", "task"
PARETO = OBJECTIVES["pareto"]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
MEGABYTE = 2**20


def main() -> None:
    """Measure every step, print the table, write the Parquet file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=3, help="rows of a trial")
    parser.add_argument("--out", type=Path, default=RESULTS / "resume.parquet")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as storage:
        fill(storage, options.trials, options.epochs)
        rows = [
            {"trials": options.trials, "epochs": options.epochs, **row} for row in measured(storage)
        ]
    write(rows, options.out)
    base = next(row["seconds"] for row in rows if row["step"] == "read, merged")
    show(
        f"Going on after {options.trials:,} trials of {options.epochs} rows",
        ["step", "ratio", "seconds", "ms a trial", "driver, MB"],
        [
            [row["step"], f"{row['seconds'] / base:.2f}", f"{row['seconds']:.2f}",
             f"{1e3 * row['seconds'] / options.trials:.3f}", f"{row['megabytes']:.0f}"]
            for row in rows
        ],
    )  # fmt: skip


def measured(storage: str) -> list[dict[str, Any]]:
    """Return the seconds of each step, and what memory the process had after it."""
    rows: list[dict[str, Any]] = []

    def timed(step: str, action: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = action()
        seconds = time.perf_counter() - start
        megabytes = psutil.Process().memory_info().rss / MEGABYTE
        rows.append({"step": step, "seconds": seconds, "megabytes": megabytes})
        return result

    timed("read, a file per trial", lambda: read_finished_trials(storage, "s"))
    compact_rows(storage)
    finished = timed("read, merged", lambda: read_finished_trials(storage, "s"))
    study = timed(
        "build the study", lambda: UnlearnerStudy(METHOD, PARETO, "tpe", 0, finished.values())
    )
    journal = JournalView("s", Path(storage))
    timed("write the journal", lambda: journal.rebuild([study], print))
    timed("first proposal", lambda: study.ask(TASK))
    return rows


def fill(storage: str, trials: int, epochs: int) -> None:
    """Write plausible trials, as a random search proposes them."""
    study = UnlearnerStudy(METHOD, PARETO, "random", 0)
    rng = np.random.default_rng(0)
    for number in range(trials):
        trial = study.ask(TASK)
        ended = NOW + timedelta(seconds=number)
        rows = [
            {
                "sweep": "s", "trial_id": trial["trial_id"], "role": "trial", "unlearner": METHOD, "references": 2,
                "state": "complete", "epoch": epoch, "final": epoch == epochs,
                "finished_at": ended, "seed": trial["seed"], "task_key": TASK,
                "validation_accuracy_retained": accuracy, "validation_indistinguishability": mia,
                "unlearn_seconds": float(epoch), "relative_cost": 0.01 * epoch,
                "params": json.dumps(trial["params"] | {"epochs": epochs}),
            }
            for epoch, (accuracy, mia) in enumerate(rng.random((epochs, 2)).tolist(), 1)
        ]  # fmt: skip
        write_rows(storage, "s", trial_key(TASK, METHOD, trial["params"], trial["seed"]), rows)


if __name__ == "__main__":
    main()
