"""Packing: how many trials an hour a device does with 1, 2, 4, 8 and 16 of them at a time.

    python -m benchmarks.cluster.packing [--device cuda] [--task cifar10-class:automobile --data-dir DIR] [--mps]

Each measurement starts so many warm processes, which share the device as fractional GPUs do, lets all
begin at once, and adds up their rates: trials over the seconds from a process's first to the end of its
last one, which it begins before the time is up. Choose the time long against a trial: at the end some
processes have the device to themselves. No Ray: what is measured is the device. `--mps` repeats each
under NVIDIA's Multi-Process Service. On a CPU, which is for trying this out, they share the cores.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any, cast

from benchmarks.report import RESULTS, show, write

Row = dict[str, Any]


def main() -> None:
    """Measure every count of processes, print the table, write the Parquet file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--task", default="digits-class:1")
    parser.add_argument("--data-dir")
    parser.add_argument("--model", default="auto")
    parser.add_argument("--unlearner", default="finetune")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--seconds", type=float, default=30.0, help="of one measurement")
    parser.add_argument("--mps", action="store_true", help="repeat each under MPS (cuda only)")
    parser.add_argument("--storage", default="results", help="where trained models are kept")
    parser.add_argument("--out", type=Path, default=RESULTS / "packing.parquet")
    options = parser.parse_args()
    if options.mps and not (options.device == "cuda" and shutil.which("nvidia-cuda-mps-control")):
        parser.error("--mps needs --device cuda and NVIDIA's nvidia-cuda-mps-control")
    packed(1, options, seconds=0.1)  # trains the original model, if it is not there
    rows = []
    for with_mps in (False, True) if options.mps else (False,):
        with mps() if with_mps else nullcontext():
            for count in options.counts:
                rows.append({"mps": with_mps, **packed(count, options)})
                print(rows[-1], flush=True)
    names = ("task", "model", "unlearner", "device")
    common = {name: getattr(options, name) for name in names}
    write([{**row, **common} for row in rows], options.out)
    base = rows[0]["trials_per_hour"]
    show(
        f"Trials of {options.unlearner} on one {options.device}, {options.task}",
        [
            "trials at a time",
            "MPS",
            f"of {options.counts[0]} at a time",
            "trials per hour",
            "MB each",
        ],
        [line(row, base) for row in rows],
    )


def packed(count: int, options: argparse.Namespace, seconds: float | None = None) -> Row:
    """What `count` processes do at a time: trials, their rate, and the most memory that one has held."""
    # A trial of a sweep has one CPU: beside a GPU that is enough, on CPUs alone they are shared out.
    cores = len(os.sched_getaffinity(0))
    threads = 1 if options.device == "cuda" else max(1, cores // count)
    command = [sys.executable, "-m", "benchmarks.cluster.packed_process", "--task", options.task]
    command += ["--model", options.model, "--unlearner", options.unlearner]
    command += ["--device", options.device, "--threads", str(threads), "--storage", options.storage]
    command += ["--data-dir", options.data_dir] if options.data_dir else []
    with ExitStack() as stack:
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        pipes["env"] = {**os.environ, "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"}
        # On an error their pipes are closed, and a process without a next line ends.
        processes = [stack.enter_context(subprocess.Popen(command, **pipes)) for _ in range(count)]
        for process in processes:
            answer(process)
        for number, process in enumerate(processes):
            pipe = cast(IO[str], process.stdin)
            pipe.write(f"{seconds or options.seconds} {number}\n")
            pipe.flush()
        said = [answer(process) for process in processes]
    trials, spent, megabytes = zip(*(map(float, line.split()) for line in said), strict=True)
    return {
        "processes": count,
        "trials": int(sum(trials)),
        "seconds": max(spent),
        "trials_per_hour": sum(3600 * n / s for n, s in zip(trials, spent, strict=True)),
        "megabytes": max(megabytes),
    }


def answer(process: subprocess.Popen[str]) -> str:
    """A process's next line; raises RuntimeError if it has ended instead."""
    line = cast(IO[str], process.stdout).readline()
    if not line:
        raise RuntimeError(f"a process ended with code {process.wait()}; its error is above")
    return line


@contextmanager
def mps() -> Iterator[None]:
    """NVIDIA's Multi-Process Service for the length of the block, with a pipe of its own."""
    # Its daemon may still write there while it ends.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        names = ("CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY")
        os.environ.update(dict.fromkeys(names, folder))
        subprocess.run(["nvidia-cuda-mps-control", "-d"], check=True)
        try:
            yield
        finally:
            subprocess.run(["nvidia-cuda-mps-control"], input="quit\n", text=True, check=True)
            for name in names:
                del os.environ[name]


def line(row: Row, base: float) -> list[str]:
    """A line of the table."""
    rate = row["trials_per_hour"]
    numbers = f"{rate / base:.2f}", f"{rate:,.0f}", f"{row['megabytes']:,.0f}"
    return [str(row["processes"]), "yes" if row["mps"] else "no", *numbers]


if __name__ == "__main__":
    main()
