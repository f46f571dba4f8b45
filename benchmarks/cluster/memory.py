"""Memory of a warm worker: what the processes that run trials hold, while a real sweep runs.

    python -m benchmarks.cluster.memory [--tasks digits-class:1,cifar10-class:automobile] [--data-dir DIR]

Sweeps every method, one trial after another, and looks at the worker many times a second. Own is
what would be free without the process (its private pages): beside other processes that map the same
libraries and data these are counted in resident alone. Beyond its model is own without the weights.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from benchmarks.report import RESULTS, show, write

Row = dict[str, Any]
WORKER = "ray::TrialWorker", "ray::ResourceTrainable"
"""How Ray titles a process that runs trials, between two of Tune's calls and in one."""
EVERY_SECONDS = 0.05
MEGABYTE = 1e6


def main() -> None:
    """Sweep each task, print the table, write the Parquet file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tasks", default="digits-class:1")
    parser.add_argument("--data-dir")
    parser.add_argument("--model", default="auto")
    parser.add_argument("--trials", type=int, default=3, help="per unlearner")
    parser.add_argument("--storage", help="where the models are, if they are trained already")
    parser.add_argument("--out", type=Path, default=RESULTS / "memory.parquet")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for task in options.tasks.split(","):
            rows.append(measured(task, options.storage or scratch, options))
    write(rows, options.out)
    names = ("own", "own_at_first", "resident", "model")
    show(
        "Megabytes of a worker at its largest",
        ["task", "own / 1 GiB", "own, beyond its model", "own", "before its first trial",
         "resident", "model"],
        [
            [
                row["task"], f"{row['own'] / 2**30:.2f}",
                f"{(row['own'] - row['model']) / MEGABYTE:.0f}",
                *(f"{row[name] / MEGABYTE:.0f}" for name in names),
            ]
            for row in rows
        ],
    )  # fmt: skip


def measured(task: str, storage: str, options: argparse.Namespace) -> Row:
    """The largest that the worker of a sweep was, in bytes."""
    command = [sys.executable, "-m", "orchestrator", "sweep", "--task", task, "--storage", storage]
    command += ["--trials", str(options.trials), "--max-concurrent", "1", "--model", options.model]
    command += ["--data-dir", options.data_dir] if options.data_dir else []
    own, resident = [], []
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as sweep:
        for memory in looks(psutil.Process(sweep.pid), sweep):
            own.append(memory.uss)
            resident.append(memory.rss)
    if sweep.returncode or not own:
        raise SystemExit(f"the sweep of {task} ended with {sweep.returncode}")
    model = max(f.stat().st_size for f in (Path(storage) / "artifacts").glob("*.pt"))
    return {
        "task": task,
        "own": max(own),
        "own_at_first": own[0],
        "resident": max(resident),
        "model": model,
    }


def looks(driver: psutil.Process, sweep: subprocess.Popen[bytes]) -> Iterator[Any]:
    """The memory of the worker, time and again, until the sweep ends."""
    while sweep.poll() is None:
        with contextlib.suppress(psutil.Error):
            for process in driver.children(recursive=True):
                if process.cmdline()[:1] and process.cmdline()[0].startswith(WORKER):
                    yield process.memory_full_info()
        with contextlib.suppress(subprocess.TimeoutExpired):
            sweep.wait(EVERY_SECONDS)


if __name__ == "__main__":
    main()
