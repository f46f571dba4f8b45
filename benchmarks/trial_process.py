"""The other arms of benchmarks.trials: what a user would write instead of a sweep."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch

from tasks.memory import keep_freed_memory
from tasks.task import Task
from tasks.trial import run_trial
from tasks.unlearners import unlearner_class
from tasks.workbench import Workbench

Trial = dict[str, Any]


def bench_of(options: argparse.Namespace, threads: int) -> Workbench:
    """A workbench with `threads` torch threads."""
    torch.set_num_threads(threads)
    task = Task.named(options.task, options.model)
    artifacts = options.storage.absolute() / "artifacts"
    return Workbench(task, task.load(options.data_dir), artifacts, torch.device("cpu"))


def run(bench: Workbench, trial: Trial) -> float:
    """Run one trial to its end; returns its last test accuracy."""
    unlearner = unlearner_class(trial["unlearner"]).from_params(trial["params"])
    *_, last = run_trial(bench, unlearner, trial["seed"])
    return float(last.metrics["test_accuracy"] or 0.0)


def tune_as_documented(trials: list[Trial], options: argparse.Namespace) -> None:
    """A function trainable and a Tuner, with every default of Ray Tune's documentation."""
    import ray
    from ray import tune

    def trainable(config: dict[str, Any]) -> None:
        bench = bench_of(options, 1)
        tune.report({"test_accuracy": run(bench, config["trial"])})

    ray.init("local", include_dashboard=False, log_to_driver=False)
    space = {"trial": tune.grid_search(trials)}
    tune.Tuner(tune.with_resources(trainable, {"cpu": 1}), param_space=space).fit()


def main() -> None:
    """Run the trials on standard input, one JSON object a line; say when ready and when done."""
    parser = argparse.ArgumentParser()
    parser.add_argument("arm", choices=["one", "warm", "tune"])
    parser.add_argument("--task", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--storage", type=Path, required=True)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    trials = [json.loads(line) for line in sys.stdin]
    if options.arm == "tune":
        return tune_as_documented(trials, options)
    bench = bench_of(options, options.threads)
    if options.arm == "warm":
        keep_freed_memory()  # as a worker of a sweep does
        run(bench, trials[0])  # a warm process has run a trial before
    start = time.perf_counter()
    for trial in trials:
        run(bench, trial)
    print(time.perf_counter() - start)


if __name__ == "__main__":
    main()
