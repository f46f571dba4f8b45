"""One of the processes that share a device in benchmarks.cluster.packing: trials one after another, warm."""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path

import torch

from tasks.compute.allocator import keep_freed_memory
from tasks.task import Task
from tasks.trial import run_trial
from tasks.unlearners import unlearner_class
from tasks.workbench import Workbench


def main() -> None:
    """Say "ready"; for a line "SECONDS SEED" run trials that long; say how many, how long, how big."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--task", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--unlearner", required=True)
    parser.add_argument("--device", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--storage", required=True)
    parser.add_argument("--data-dir", type=Path)
    options = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    task = Task.named(options.task, options.model, device=device.type)
    artifacts = Path(options.storage).absolute() / "artifacts"
    bench = Workbench(task, task.load(options.data_dir), artifacts, device)
    method = unlearner_class(options.unlearner).from_params({})
    list(run_trial(bench, method, 0))  # a warm process has run a trial before
    print("ready", flush=True)
    seconds, seed = sys.stdin.readline().split()
    start, trials = time.perf_counter(), 0
    while not trials or time.perf_counter() - start < float(seconds):
        list(run_trial(bench, method, 1000 * int(seed) + trials))
        trials += 1
    print(trials, time.perf_counter() - start, megabytes(device))


def megabytes(device: torch.device) -> float:
    """The most memory this process has held: resident, or torch's on the device (not CUDA's own context)."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


if __name__ == "__main__":
    main()
