"""The driver of a very large sweep: its time per trial and its memory, as trials pile up.

    python -m benchmarks.cluster.scale [--trials 10000] [--nodes 100] [--slots 8] [--sampler tpe]

The real driver with real Ray, Tune, Optuna, journal and store, over nodes that are simulated (see
benchmarks.cluster.simulated_nodes), each with a slot for every GPU that it would have. A trial waits for
some seconds and stores random values. They are few enough for results to queue up, so that the
driver is never idle: the seconds between two results are what a trial costs it. Trials are
counted when they end; as many as there are slots come on top, so that proposals go on to the end.
The figure goes to docs/scale.png; the ratio is that of the last thousand to the one around the thousandth.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import tempfile
import time
from collections.abc import Generator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import psutil

from benchmarks.report import RESULTS, show, write
from orchestrator.cluster.connection import ENVIRONMENT
from orchestrator.config import SweepConfig
from orchestrator.reporting.terminal import Terminal, open_console
from orchestrator.worker.runner import TrialRunner
from orchestrator.worker.settings import get_workbench
from orchestrator.worker.trainable import UnlearningTrial
from orchestrator.worker.trial_worker import TrialWorker
from tasks.evaluation import list_in_rows

if TYPE_CHECKING:
    from tasks.trial import Point

Row = dict[str, Any]
METHOD = "benchmarks.cluster.noop:Noop"
TRIAL_SECONDS = (2.0, 10.0)
WINDOW = 250
"""Trials from one measurement to the next."""
COMPARED = 1000
"""Trials around whose number, and at the end, the driver's time is compared."""
MEGABYTE = 2**20


class StubRunner(TrialRunner):
    """Runs trials that compute nothing; everything else of them is real."""

    def __init__(self, *given: Any) -> None:
        """The data are loaded before any trial is timed."""
        super().__init__(*given)
        get_workbench(self._settings, 1)

    def _begun(self, bench: Any) -> Generator[Point, None, None]:
        from tasks.trial import Cost, Point  # the driver imports no torch

        rng = random.Random(self._trial["seed"])
        time.sleep(seconds := rng.uniform(*TRIAL_SECONDS))
        cost = Cost(seconds, 0.0, 0.0, 1, 1.0, rng.random(), 0.0)
        yield Point(1, {name: rng.random() for name in list_in_rows()}, cost)


class StubWorker(TrialWorker):
    """Runs such trials."""

    runner_class = StubRunner


class Watch(Terminal):
    """Notes the driver's clocks and memory every WINDOW trials."""

    rows: list[Row]

    def stepped(self, progress: Any) -> None:
        """Tell the terminal, and take a note."""
        super().stepped(progress)
        if progress.done >= len(self.rows) * WINDOW:
            self.rows.append(
                {
                    "trials": progress.done,
                    "wall_seconds": time.perf_counter(),
                    "processor_seconds": time.process_time(),
                    "driver_megabytes": psutil.Process().memory_info().rss / MEGABYTE,
                }
            )


def main() -> None:
    """Sweep once, print the table, write the Parquet file and the figure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--sampler", default="tpe")
    parser.add_argument("--out", type=Path, default=RESULTS / "scale.parquet")
    parser.add_argument("--figure", type=Path, default=Path("docs/scale.png"))
    options = parser.parse_args()
    slots = options.nodes * options.slots
    with tempfile.TemporaryDirectory() as storage:
        config = SweepConfig(
            task="digits-class:1", unlearners=(METHOD,), trials=options.trials + slots,
            sampler=options.sampler, name="scale", storage=storage, max_concurrent=slots,
        )  # fmt: skip
        notes = watched(config, options.nodes, options.slots)
    rows = [{**row, "sampler": options.sampler} for row in between(notes, options.trials)]
    write(rows, options.out)
    first, last = window(rows, COMPARED * 3 // 2), window(rows, options.trials)
    show(
        f"{options.nodes} simulated nodes with {options.slots} slots, {options.trials:,} trials, {options.sampler}",
        ["a thousand up to", "ratio", "ms a trial", "of it processor", "driver, MB"],
        [
            [f"{part['trials']:,}", f"{part['wall_ms'] / first['wall_ms']:.2f}",
             f"{part['wall_ms']:.1f}", f"{part['processor_ms']:.1f}", f"{part['driver_megabytes']:.0f}"]
            for part in (first, last)
        ],
    )  # fmt: skip
    draw(rows, options.figure)


def watched(config: SweepConfig, nodes: int, slots: int) -> list[Row]:
    """Run a sweep to its end on simulated nodes; what was noted meanwhile."""
    os.environ.update(ENVIRONMENT)
    import ray

    from benchmarks.cluster.simulated_nodes import simulated_nodes
    from orchestrator.sweeps.run import run_sweep

    ray.init(num_cpus=slots, include_dashboard=False, log_to_driver=False)
    logging.getLogger("ray").setLevel(logging.ERROR)
    watch = Watch(open_console())
    watch.rows = []
    with (
        simulated_nodes(nodes, slots),
        patch.object(UnlearningTrial, "worker_class", StubWorker),
    ):
        run_sweep(config, watch)
    return watch.rows


def between(notes: list[Row], trials: int) -> list[Row]:
    """From clocks to milliseconds per trial, from each note to the next, up to `trials`."""
    return [
        {
            "trials": now["trials"],
            "driver_megabytes": now["driver_megabytes"],
            **{
                f"{clock}_ms": 1e3 * (now[f"{clock}_seconds"] - before[f"{clock}_seconds"])
                / (now["trials"] - before["trials"])
                for clock in ("wall", "processor")
            },
        }
        for before, now in pairwise(notes)
        if now["trials"] > before["trials"] and now["trials"] <= trials
    ]  # fmt: skip


def window(rows: list[Row], end: int) -> Row:
    """The mean of the COMPARED trials up to `end`; the memory is that at its end."""
    part = [row for row in rows if end - COMPARED < row["trials"] - WINDOW / 2 <= end]
    clocks = ("wall_ms", "processor_ms")
    return {**part[-1], **{clock: sum(row[clock] for row in part) / len(part) for clock in clocks}}


def draw(rows: list[Row], figure: Path) -> None:
    """Both curves over the number of trials."""
    from matplotlib.figure import Figure

    where = [row["trials"] for row in rows]
    image = Figure(figsize=(7, 3.2), layout="constrained")
    left, right = image.subplots(1, 2)
    left.plot(where, [row["wall_ms"] for row in rows])
    left.set(xlabel="trials so far", ylabel="driver's time a trial, ms", ylim=(0, None))
    right.plot(where, [row["driver_megabytes"] for row in rows])
    right.set(xlabel="trials so far", ylabel="driver's memory, MB", ylim=(0, None))
    figure.parent.mkdir(parents=True, exist_ok=True)
    image.savefig(figure, dpi=120)
    print(f"wrote {figure}")


if __name__ == "__main__":
    main()
