"""Orchestration overhead per trial: a sweep of a method that does nothing.

    python -m benchmarks.cluster.overhead [--trials 1000] [--samplers random,tpe]

Of the wall time between the first trial's end and the last one's, what the trials did not spend
loading, unlearning and evaluating is overhead: Tune's loop, Optuna's proposals, the store's files.
One trial at a time, so that the driver and the worker have a core each. The ratio is to a trial's
own seconds, nearly all of which are the evaluation.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.report import RESULTS, show, write
from orchestrator.results.store import read_results

Row = dict[str, Any]
METHOD = "benchmarks.cluster.noop:Noop"
WARM = 10
"""Trials at the start that are left out."""


def main() -> None:
    """Sweep once per sampler, print the table, write the Parquet file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--samplers", default="random,tpe")
    parser.add_argument("--task", default="digits-class:1")
    parser.add_argument("--out", type=Path, default=RESULTS / "overhead.parquet")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as storage:
        for sampler in options.samplers.split(","):
            command = command_of(storage, sampler, options.trials, options.task)
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment())
            rows += measured(storage, sampler)
    write(rows, options.out)
    show(
        f"Overhead of a trial that does nothing, {options.trials} trials of {options.task}",
        ["sampler", "overhead / own", "ms a trial", "first fifth", "last fifth", "own ms",
         "files", "store bytes", "journal bytes"],
        [line(sampler, [r for r in rows if r["sampler"] == sampler]) for sampler in options.samplers.split(",")],
    )  # fmt: skip


def command_of(storage: str, sampler: str, trials: int, task: str) -> list[str]:
    """The command of a sweep that is named after its sampler."""
    command = [sys.executable, "-m", "orchestrator", "sweep", "--task", task]
    command += ["--unlearners", METHOD, "--trials", str(trials), "--name", sampler]
    return [*command, "--sampler", sampler, "--storage", storage, "--max-concurrent", "1"]


def environment() -> dict[str, str]:
    """Workers find the method where this benchmark is run."""
    here = os.pathsep.join(filter(None, [os.getcwd(), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": here}


def measured(storage: str, sampler: str) -> list[Row]:
    """One row per warm trial: its own seconds, and those from the previous trial's end to its own."""
    trials = [r for r in read_results(storage, sampler).to_pylist() if r["role"] == "trial"]
    trials.sort(key=lambda row: row["finished_at"])
    folders = (Path(storage) / "rows" / sampler, Path(storage) / "sweeps" / sampler)
    stored, journal = (list(files(folder)) for folder in folders)
    shared = {
        "files": len(stored) / len(trials),
        "store_bytes": sum(f.stat().st_size for f in stored) / len(trials),
        "journal_bytes": sum(f.stat().st_size for f in journal) / len(trials),
    }
    return [
        {
            "sampler": sampler,
            "trial_id": row["trial_id"],
            "own_seconds": own_seconds(row),
            "overhead_seconds": (row["finished_at"] - before["finished_at"]).total_seconds()
            - own_seconds(row),
            **shared,
        }
        for before, row in pairwise(trials[WARM:])
    ]


def own_seconds(row: Row) -> float:
    """What the trial itself took."""
    return row["load_seconds"] + row["unlearn_seconds"] + row["evaluate_seconds"]


def files(folder: Path) -> Iterable[Path]:
    """Every file below a folder."""
    return (path for path in folder.rglob("*") if path.is_file())


def line(sampler: str, rows: list[Row]) -> list[str]:
    """A line of the table."""
    overhead = [1e3 * row["overhead_seconds"] for row in rows]
    own = 1e3 * mean(row["own_seconds"] for row in rows)
    fifth = max(1, len(overhead) // 5)
    return [
        sampler,
        f"{mean(overhead) / own:.2f}",
        f"{mean(overhead):.1f}",
        f"{mean(overhead[:fifth]):.1f}",
        f"{mean(overhead[-fifth:]):.1f}",
        f"{own:.1f}",
        f"{rows[0]['files']:.2f}",
        f"{rows[0]['store_bytes']:,.0f}",
        f"{rows[0]['journal_bytes']:,.0f}",
    ]


if __name__ == "__main__":
    main()
