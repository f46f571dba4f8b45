"""Equal shares against adaptive ones, with real trials: two sweeps for each seed, one after the other.

    python -m benchmarks.cluster.shares --storage DIR [--task digits-class:1] [--seeds 5] [--trials 12]

Both sweeps of a seed have its models, the settings that a user has by default, and as many trials. Compute seconds
are those of the trials, in the order in which they ended. Killed, the same command goes on. See
benchmarks.replay.allocation for the same question about recorded trials, with more seeds.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.replay.allocation import PARETO, Curve, draw, report
from benchmarks.replay.recorded import MEASURED, by_trial, seconds
from benchmarks.report import RESULTS, write
from orchestrator.reporting.progress import Progress
from orchestrator.results.noise import find_noise_floor
from orchestrator.results.store import read_results
from orchestrator.search.allocation import ADAPTIVE, EQUAL

Row = dict[str, Any]


def main() -> None:
    """Run both sweeps with every seed, print the table, write the Parquet file and the picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--task", default="digits-class:1")
    parser.add_argument("--unlearners", default="all")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=12, help="per method")
    parser.add_argument("--storage", type=Path, default=Path("results/shares"))
    parser.add_argument("--out", type=Path, default=RESULTS / "shares.parquet")
    parser.add_argument("--picture", type=Path)
    options, more = parser.parse_known_args()
    rows: list[Row] = []
    for seed in range(options.seeds):
        for arm in (EQUAL, ADAPTIVE):
            curve = read_curve(options.storage, sweep(arm, seed, options, more))
            rows += [
                {"task": options.task, "arm": arm, "seed": seed, "seconds": spent, "hypervolume": volume}
                for spent, volume in curve
            ]  # fmt: skip
            print(f"seed {seed}, {arm}: {curve[-1][1]:.3f} after {curve[-1][0]:.0f} s", flush=True)
        write(rows, options.out)
    if options.picture:
        draw(rows, options.picture)
    report(rows, options)


def sweep(arm: str, seed: int, options: argparse.Namespace, more: list[str]) -> str:
    """Run one sweep to its end, in a process of its own; return its name."""
    name = f"{arm}-{seed}"
    arguments = {
        "task": options.task, "unlearners": options.unlearners, "trials": options.trials, "seed": seed,
        "allocation": arm, "name": name, "storage": options.storage,
    }  # fmt: skip
    command = [sys.executable, "-m", "orchestrator", "sweep", *more]
    for flag, value in arguments.items():
        command += [f"--{flag}", str(value)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return name


def read_curve(storage: Path, name: str) -> Curve:
    """Return compute seconds and hypervolume after each trial of a sweep, in the order of their ends."""
    rows = read_results(storage, name).to_pylist()
    trials = by_trial(rows, MEASURED).values()
    progress = Progress(PARETO, len(trials), find_noise_floor(rows))
    spent, curve = 0.0, []
    for trial in sorted(trials, key=lambda t: t[-1]["finished_at"]):
        spent += seconds(trial)
        progress.finish(trial)
        curve.append((spent, progress.hypervolume))
    return curve


if __name__ == "__main__":
    main()
