"""A long sweep of a method that does nothing: the driver's time per trial, and its memory, as trials pile up.

    python -m benchmarks.scale [--trials 10000] [--sampler random]

One trial at a time, as in benchmarks.overhead: what the trials themselves took is left out. The
figure of both curves goes to docs/scale.png; the ratio is of the last tenth to the trials up to
the thousandth.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import threading
from pathlib import Path
from statistics import mean
from typing import Any

import psutil

from benchmarks.overhead import command_of, environment, measured
from benchmarks.report import RESULTS, show, write

Row = dict[str, Any]
SAMPLE_SECONDS = 2.0
MEGABYTE = 2**20


def main() -> None:
    """Sweep once while the driver is watched; print the table, write the Parquet file and the figure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--sampler", default="random")
    parser.add_argument("--task", default="digits-class:1")
    parser.add_argument("--out", type=Path, default=RESULTS / "scale.parquet")
    parser.add_argument("--figure", type=Path, default=Path("docs/scale.png"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as storage:
        memory = watched(command_of(storage, options.sampler, options.trials, options.task))
        rows = measured(storage, options.sampler)
    share = len(memory) / len(rows)
    rows = [
        {**row, "trial": n, "driver_megabytes": memory[int(n * share)]}
        for n, row in enumerate(rows)
    ]
    write(rows, options.out)
    windows = {"up to trial 1,000": rows[:1000], "last tenth": rows[-len(rows) // 10 :]}
    base = milliseconds(rows[:1000])
    show(
        f"{options.trials:,} trials that do nothing, {options.sampler} sampler",
        ["trials", "ratio", "ms of overhead a trial", "driver, MB"],
        [
            [name, f"{milliseconds(part) / base:.2f}", f"{milliseconds(part):.1f}",
             f"{part[-1]['driver_megabytes']:.0f}"]
            for name, part in windows.items()
        ],
    )  # fmt: skip
    draw(rows, options.figure)


def watched(command: list[str]) -> list[float]:
    """Run a sweep to its end; the resident memory of its driver, in MB, every few seconds of the search."""
    samples: list[float] = []
    done = threading.Event()
    driver = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment()
    )

    def sample() -> None:
        while not done.wait(SAMPLE_SECONDS):
            samples.append(psutil.Process(driver.pid).memory_info().rss / MEGABYTE)

    assert driver.stdout is not None
    watcher = threading.Thread(target=sample, daemon=True)
    for line in driver.stdout:
        if not watcher.is_alive() and " running, " in line and not done.is_set():
            watcher.start()
        print(line, end="", flush=True)
    done.set()
    if driver.wait():
        raise SystemExit("the sweep failed")
    return samples


def milliseconds(rows: list[Row]) -> float:
    """Mean overhead of a trial."""
    return 1e3 * mean(row["overhead_seconds"] for row in rows)


def draw(rows: list[Row], figure: Path) -> None:
    """Both curves over the number of trials."""
    from matplotlib.figure import Figure

    step = max(1, len(rows) // 100)
    parts = [rows[i : i + step] for i in range(0, len(rows), step)]
    where = [part[0]["trial"] for part in parts]
    image = Figure(figsize=(7, 3.2), layout="constrained")
    left, right = image.subplots(1, 2)
    left.plot(where, [milliseconds(part) for part in parts])
    left.set(xlabel="trials so far", ylabel="overhead a trial, ms", ylim=(0, None))
    right.plot(where, [part[0]["driver_megabytes"] for part in parts])
    right.set(xlabel="trials so far", ylabel="driver's memory, MB", ylim=(0, None))
    figure.parent.mkdir(parents=True, exist_ok=True)
    image.savefig(figure, dpi=120)
    print(f"wrote {figure}")


if __name__ == "__main__":
    main()
