"""A training that is followed to its end: its clock, its progress, and the record of its cost."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

import torch

from tasks.artifacts import TrainingRecord
from tasks.compute.meters import CostMeter, Stopwatch

Progress = Callable[[str, int, int, float], None]
"""Called with (what is being trained, epochs done, epochs in all, seconds so far)."""

T = TypeVar("T")


def silent(what: str, done: int, total: int, seconds: float) -> None:
    """Report nothing: a Progress."""


def follow_training(
    steps: Generator[None, None, T],
    clock: Stopwatch,
    progress: Progress,
    what: str,
    total: int,
    is_over: Callable[[], bool],
) -> T | None:
    """Run a training that yields after each of `total` epochs, and return what it returns.

    `clock` counts its seconds alone. None if it `is_over` before its end: it is then another process's.
    """
    done = 0
    progress(what, done, total, 0.0)
    while True:
        try:
            with clock.measure():
                next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
        done += 1
        progress(what, done, total, clock.seconds)
        if done < total and is_over():
            steps.close()
            return None


def record_training(
    meter: CostMeter, clock: Stopwatch, gradient_flops: float, device: torch.device
) -> TrainingRecord:
    """Make the record of a training, whose examples cost `gradient_flops` each."""
    samples, threads = meter.gradient_samples, torch.get_num_threads()
    name = device_name(device)
    flops = samples * gradient_flops
    return TrainingRecord(clock.seconds, samples, flops, name, threads, clock.busy_seconds)


def device_name(device: torch.device) -> str:
    """Return what the device calls itself, such as "NVIDIA H200", or "cpu"."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
