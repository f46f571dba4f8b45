"""Trials per hour: a sweep, against what a user would do instead, on the very same trials.

    python -m benchmarks.cluster.trials [--task cifar10-class:automobile --data-dir DIR --model NAME]

A sweep runs first, and what it proposed is run again by each of the other arms:

    sweep      this program, from its command to its end, without the training of the two models
    process    a process per trial, as many at a time as there are cores
    loop       study.optimize of Optuna in one process, one trial after another on all cores
    tune       Ray Tune as its documentation shows it
    warm       a warm process per core, its start left out and never waiting: the pure compute time
    everything this program with --measure all, which measures each point whole

All arms but the last measure of each point what the sweep measured of it. Three are what a user would write; warm
keeps freed memory, as our workers do. On a GPU (--device cuda) a core stands for a quarter of it, which is what a
trial of a sweep gets.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.cluster.trial_process import SHARE
from benchmarks.report import RESULTS, show, write
from orchestrator.results.store import read_finished_trials
from tasks.trial import ALL

Trial = dict[str, Any]
CORES = len(os.sched_getaffinity(0))
SLOW = ("process", "tune")
"""Arms that start a process for every trial: few of the trials, and twice as many, say what all would take."""
WARMING_UP = 10
"""One in so many trials of the sweep is left out, at its start, where it is said how fast it is once warm."""


def main() -> None:
    """Run every arm, print the table, write the Parquet file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--task", default="digits-class:1")
    parser.add_argument("--data-dir")
    parser.add_argument("--model", default="auto")
    parser.add_argument("--unlearners", default="finetune,gradient-ascent,ssd")
    parser.add_argument("--trials", type=int, default=20, help="per unlearner")
    parser.add_argument(
        "--few", type=int, default=10, help="trials of the slow arms, and twice that"
    )
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--arms", default="process,loop,tune,warm,everything")
    parser.add_argument("--out", type=Path, default=RESULTS / "trials.parquet")
    options = parser.parse_args()
    rows: list[Trial] = []
    with tempfile.TemporaryDirectory() as storage:
        options.storage = storage
        sweep(options, "train", 1)
        seconds = sweep(options, "measured", options.trials)
        trials = proposals(storage, "measured")
        rows.append({"arm": "sweep", "trials": len(trials), "seconds": seconds})
        rows.append({"arm": "sweep, once warm", **once_warm(storage, "measured")})
        for arm in options.arms.split(","):
            took = extrapolated if arm in SLOW else all_of
            rows.append({"arm": arm, "trials": len(trials), "seconds": took(arm, trials, options)})
            print(f"{arm}: {len(trials)} trials in {rows[-1]['seconds']:.1f} s", flush=True)
    shared = {name: getattr(options, name) for name in ("task", "model", "device")}
    write([{**row, **shared, "cores": CORES} for row in rows], options.out)
    base = per_hour(rows[0])
    show(
        f"{len(trials)} trials of {options.task} on {CORES} cores",
        ["arm", "the sweep is so many times faster", "trials per hour"],
        [[r["arm"], f"{base / per_hour(r):.2f}", f"{per_hour(r):,.0f}"] for r in rows],
    )


def all_of(arm: str, trials: list[Trial], options: argparse.Namespace) -> float:
    """Seconds that an arm takes for these trials."""
    return ARMS[arm](trials, options)


def extrapolated(arm: str, trials: list[Trial], options: argparse.Namespace) -> float:
    """Seconds that an arm would take for these trials: its start, and so much for each."""
    few = max(1, min(options.few, len(trials) // 2))
    chosen = trials[:: len(trials) // (2 * few)][: 2 * few]
    short, long = ARMS[arm](chosen[::2], options), ARMS[arm](chosen, options)
    each = (long - short) / (len(chosen) - len(chosen[::2]))
    return short + each * (len(trials) - len(chosen[::2]))


def per_hour(row: Trial) -> float:
    """Trials per hour."""
    return 3600 * float(row["trials"]) / float(row["seconds"])


def once_warm(storage: str, name: str) -> Trial:
    """The sweep without its first trials: every worker has started and run one before."""
    ends = sorted(rows[-1]["finished_at"] for rows in trials_of(storage, name))
    ends = ends[max(CORES, len(ends) // WARMING_UP) :]
    return {"trials": len(ends) - 1, "seconds": (ends[-1] - ends[0]).total_seconds()}


def sweep(options: argparse.Namespace, name: str, trials: int, *more: str) -> float:
    """Seconds of the whole command, with `more` arguments."""
    command = [sys.executable, "-m", "orchestrator", "sweep", "--task", options.task]
    command += ["--unlearners", options.unlearners, "--trials", str(trials), "--name", name]
    command += ["--sampler", "random", "--storage", options.storage, "--model", options.model]
    command += ["--gpus-per-trial", str(SHARE if options.device == "cuda" else 0)]
    command += ["--data-dir", options.data_dir] if options.data_dir else []
    command += more
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def proposals(storage: str, name: str) -> list[Trial]:
    """What the sweep ran: method, hyper-parameters, seed, last epoch and points measured whole, of each trial."""
    same = "unlearner", "seed", "epoch"
    return [
        {
            "params": json.loads(rows[-1]["params"]),
            "whole": [row["epoch"] for row in rows if row["measured"] == ALL],
            **{name: rows[-1][name] for name in same},
        }
        for rows in trials_of(storage, name)
    ]


def trials_of(storage: str, name: str) -> list[list[Trial]]:
    """The rows of each trial, baselines left out."""
    ended = read_finished_trials(storage, name).values()
    return [rows for rows in ended if rows[-1]["role"] == "trial"]


def child(arm: str, trials: list[Trial], options: argparse.Namespace, threads: int) -> float:
    """Run trials in a process of benchmarks.cluster.trial_process; returns the seconds it computed."""
    command = [sys.executable, "-m", "benchmarks.cluster.trial_process", arm]
    command += ["--task", options.task, "--model", options.model, "--storage", options.storage]
    command += ["--threads", str(threads), "--device", options.device]
    command += ["--data-dir", options.data_dir] if options.data_dir else []
    text = "\n".join(json.dumps(trial) for trial in trials)
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(
        command, input=text, text=True, check=True, capture_output=True, env=environment
    )
    return float(done.stdout.split()[-1]) if arm != "tune" else 0.0


def process_per_trial(trials: list[Trial], options: argparse.Namespace) -> float:
    """A fresh process for each, CORES at a time."""
    start = time.perf_counter()
    with ThreadPoolExecutor(CORES) as pool:
        list(pool.map(lambda trial: child("one", [trial], options, 1), trials))
    return time.perf_counter() - start


def one_loop(trials: list[Trial], options: argparse.Namespace) -> float:
    """One process, all threads, its start included."""
    start = time.perf_counter()
    child("loop", trials, options, CORES)
    return time.perf_counter() - start


def tune_as_documented(trials: list[Trial], options: argparse.Namespace) -> float:
    """Ray Tune with its defaults, its start included."""
    start = time.perf_counter()
    child("tune", trials, options, 1)
    return time.perf_counter() - start


def warm_processes(trials: list[Trial], options: argparse.Namespace) -> float:
    """A warm process per core, each with its share of the trials: the mean of their seconds."""
    with ThreadPoolExecutor(CORES) as pool:
        shares = [trials[i::CORES] for i in range(CORES)]
        return mean(pool.map(lambda share: child("warm", share, options, 1), shares))


def measure_everything(trials: list[Trial], options: argparse.Namespace) -> float:
    """The sweep's command once more, where each point is measured whole."""
    return sweep(options, "everything", options.trials, "--measure", "all")


ARMS: dict[str, Callable[[list[Trial], argparse.Namespace], float]] = {
    "process": process_per_trial,
    "loop": one_loop,
    "tune": tune_as_documented,
    "warm": warm_processes,
    "everything": measure_everything,
}

if __name__ == "__main__":
    main()
