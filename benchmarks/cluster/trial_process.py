"""The other arms of benchmarks.cluster.trials: what a user would write instead of a sweep."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch

from tasks.compute.allocator import keep_freed_memory
from tasks.errors import Diverged
from tasks.task import Task
from tasks.trial import Thrift, run_trial
from tasks.unlearners import unlearner_class
from tasks.workbench import Workbench

Trial = dict[str, Any]
SHARE = 0.25
"""Of a GPU, for a trial."""


def bench_of(options: argparse.Namespace, threads: int) -> Workbench:
    """A workbench with `threads` torch threads."""
    torch.set_num_threads(threads)
    task = Task.named(options.task, options.model, device=options.device)
    artifacts = options.storage.absolute() / "artifacts"
    return Workbench(task, task.load(options.data_dir), artifacts, torch.device(options.device))


def run(bench: Workbench, trial: Trial) -> float:
    """Run one trial as far as the sweep ran it, and measure what it measured; returns the last test accuracy."""
    unlearner = unlearner_class(trial["unlearner"]).from_params(trial["params"])
    thrift = Thrift((), lambda point: point.epoch in trial["whole"])
    accuracy = 0.0
    with (
        contextlib.suppress(Diverged),
        contextlib.closing(run_trial(bench, unlearner, trial["seed"], thrift=thrift)) as points,
    ):
        for point in points:
            accuracy = float(point.metrics["test_accuracy"] or 0.0)
            if point.epoch == trial["epoch"]:
                break
    return accuracy


def optuna_loop(bench: Workbench, trials: list[Trial]) -> None:
    """A study that optimises in this process, given the trials that it is to run."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize")
    for number in range(len(trials)):
        study.enqueue_trial({"number": number})

    def objective(trial: optuna.Trial) -> float:
        return run(bench, trials[trial.suggest_int("number", 0, len(trials) - 1)])

    study.optimize(objective, n_trials=len(trials))


def tune_as_documented(trials: list[Trial], options: argparse.Namespace) -> None:
    """A function trainable and a Tuner, with every default of Ray Tune's documentation."""
    import ray
    from ray import tune

    def trainable(config: dict[str, Any]) -> None:
        bench = bench_of(options, options.threads)
        tune.report({"test_accuracy": run(bench, config["trial"])})

    ray.init("local", include_dashboard=False, log_to_driver=False)
    space = {"trial": tune.grid_search(trials)}
    needs = {"cpu": 1, "gpu": SHARE if options.device == "cuda" else 0}
    tune.Tuner(tune.with_resources(trainable, needs), param_space=space).fit()


def main() -> None:
    """Run the trials on standard input, one JSON object a line; say when ready and when done."""
    parser = argparse.ArgumentParser()
    parser.add_argument("arm", choices=["one", "loop", "warm", "tune"])
    parser.add_argument("--task", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--storage", type=Path, required=True)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    trials = [json.loads(line) for line in sys.stdin]
    if options.arm == "tune":
        return tune_as_documented(trials, options)
    bench = bench_of(options, options.threads)
    if options.arm == "warm":
        keep_freed_memory()  # as a worker of a sweep does
        run(bench, trials[0])  # a warm process has run a trial before
    start = time.perf_counter()
    if options.arm == "loop":
        optuna_loop(bench, trials)
    else:
        for trial in trials:
            run(bench, trial)
    print(time.perf_counter() - start)


if __name__ == "__main__":
    main()
