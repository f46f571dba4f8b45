"""Which loader feeds training fastest: FFCV, the resident tensor, or a torch DataLoader?

    python -m benchmarks.compute.loaders --data-dir DIR

Measures augmented, normalised CIFAR-10 training batches for 1, 2 and 4 processes that read at the
same time: images/s of all of them together, seconds from process start to the first batch, and
memory per process. The arms take turns within each repeat, so that whatever else the machine does
disturbs all of them; the table shows the median over the repeats of each ratio to `resident`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import mean, median
from typing import IO, Any, cast

from benchmarks.report import RESULTS, show, write

ARMS = ("resident", "ffcv", "dataloader")
MEASURES = ("images_per_second", "start_seconds", "pss_mb")


def main() -> None:
    """Measure every arm, print the table, write the Parquet file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data-dir", default="data", help="where CIFAR-10 is, or is downloaded to")
    parser.add_argument("--out", type=Path, default=RESULTS / "loaders.parquet")
    parser.add_argument("--readers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="reading time of a measurement")
    parser.add_argument("--batch-size", type=int, default=500)
    options = parser.parse_args()
    for arm in ARMS:  # write the shared files and compile, before anything is timed
        measure(arm, 1, options, seconds=0.1)
    rows = []
    for repeat in range(options.repeats):
        for readers in options.readers:
            for arm in ARMS:
                rows.append({"repeat": repeat, **measure(arm, readers, options)})
                print(
                    " ".join(
                        f"{k} {v:.4g}" if k in MEASURES else f"{v}" for k, v in rows[-1].items()
                    )
                )
    write(rows, options.out)
    show(
        "CIFAR-10, augmented and normalised, ratios to resident: medians of repeats",
        ["loader", "readers", "images/s ratio", "images/s", "start s", "PSS MB"],
        table(rows, options.readers),
    )


def measure(
    arm: str, readers: int, options: argparse.Namespace, seconds: float | None = None
) -> dict[str, Any]:
    """One row: `readers` processes of one arm, started together and then reading together."""
    threads = max(1, len(os.sched_getaffinity(0)) // readers)
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.compute.loader_reader", arm]
    command += ["--data-dir", options.data_dir, "--batch-size", str(options.batch_size)]
    command += ["--threads", str(threads), "--seconds", str(seconds or options.seconds)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    started = time.monotonic()
    # Without this, threads that wait for one another spin; beside any other work that cost 7-fold.
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
    processes = [subprocess.Popen(command, env=environment, **pipes) for _ in range(readers)]
    starts = [answer(p)["first_batch_at"] - started for p in processes]
    speeds = ask(processes, "read")
    memory = ask(processes, "memory")
    for process in processes:
        process.communicate(timeout=60)
    return {
        "arm": arm,
        "readers": readers,
        "device": speeds[0]["device"],
        "images_per_second": sum(s["images_per_second"] for s in speeds),
        "start_seconds": mean(starts),
        "pss_mb": mean(m["pss_mb"] for m in memory),
    }


def ask(processes: list[subprocess.Popen], question: str) -> list[dict[str, Any]]:
    """Put the question to all readers at once, then collect their answers."""
    for process in processes:
        pipe = cast(IO[str], process.stdin)
        pipe.write(question + "\n")
        pipe.flush()
    return [answer(process) for process in processes]


def answer(process: subprocess.Popen) -> dict[str, Any]:
    """A reader's next line; raises RuntimeError if it has died."""
    line = cast(IO[str], process.stdout).readline()
    if not line:
        raise RuntimeError(f"a reader ended with code {process.wait()}; its error is above")
    return json.loads(line)


def table(rows: list[dict[str, Any]], readers: list[int]) -> list[list[str]]:
    """Ratios to `resident` of the same repeat first, then medians."""
    lines = []
    for count in readers:
        of = {arm: [r for r in rows if (r["arm"], r["readers"]) == (arm, count)] for arm in ARMS}
        for arm, mine in of.items():
            speed, start, pss = (median(r[m] for r in mine) for m in MEASURES)
            pairs = zip(mine, of["resident"], strict=True)
            ratio = median(a[MEASURES[0]] / b[MEASURES[0]] for a, b in pairs)
            numbers = f"{ratio:.2f}", f"{speed:,.0f}", f"{start:.1f}", f"{pss:.0f}"
            lines.append([arm, str(count), *numbers])
    return lines


if __name__ == "__main__":
    main()
