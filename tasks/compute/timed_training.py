"""A training whose progress is told, and whose cost is recorded beside the weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from tasks.artifacts import Trained, TrainingRecord
from tasks.compute.meters import CostMeter, Stopwatch
from tasks.training import train_model

if TYPE_CHECKING:
    from tasks.datasets.splits import Split
    from tasks.models.network import Network

Progress = Callable[[str, int, int, float], None]
"""Called with (what is being trained, epochs done, epochs in all, seconds so far)."""
Watch = Callable[["Network"], None]
"""Called with a model after each epoch of its training."""


def silent(what: str, done: int, total: int, seconds: float) -> None:
    """Report nothing: a Progress."""


def ignore(model: Network) -> None:
    """Read nothing of a model: a Watch."""


def train_timed(
    model: Network,
    split: Split,
    rng: torch.Generator,
    *,
    what: str,
    gradient_flops: float,
    is_over: Callable[[], bool],
    progress: Progress = silent,
    watch: Watch = ignore,
    share: float = 1.0,
) -> Trained | None:
    """Train `model` on `split` for this share of its epochs; None if it `is_over` before their end.

    `gradient_flops` are those of one example. `watch` costs nothing: the clock stands still meanwhile.
    """
    meter, clock = CostMeter(model), Stopwatch(split.device)
    epochs = max(1, round(share * model.recipe.epochs))
    progress(what, 0, epochs, 0.0)
    steps = train_model(model, split, rng)
    for epoch in range(epochs):
        with clock.measure():
            next(steps)
        with meter.pause():
            watch(model)
        progress(what, epoch + 1, epochs, clock.seconds)
        if epoch + 1 < epochs and is_over():
            return None
    samples = meter.gradient_samples
    record = TrainingRecord(
        clock.seconds,
        samples,
        samples * gradient_flops,
        device_name(split.device),
        torch.get_num_threads(),
        clock.busy_seconds,
    )
    return {name: tensor.cpu() for name, tensor in model.state_dict().items()}, record


def device_name(device: torch.device) -> str:
    """Return what the device calls itself, such as "NVIDIA H200", or "cpu"."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
