"""A training whose progress is told, and whose cost is recorded beside the weights."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING

import torch

from tasks.artifacts import Trained, TrainingRecord
from tasks.compute.draws import OwnDraws
from tasks.compute.meters import CostMeter, Stopwatch
from tasks.training import train_model

if TYPE_CHECKING:
    from tasks.datasets.splits import Split
    from tasks.models.network import Network

Progress = Callable[[str, float, int, float], None]
"""Called with (what is being trained, epochs done, epochs in all, seconds so far), also within a long epoch."""
ELSEWHERE = "another process trains it"
"""What is reported of a model that this process waits for."""
WITHIN_EVERY_SECONDS = 10.0
Watch = Callable[["Network"], None]
"""Called with a model after each epoch of its training."""
Steps = Generator[None, None, dict[str, torch.Tensor]]
"""A training that yields after each epoch, and returns named tensors on the CPU."""


def silent(what: str, done: float, total: int, seconds: float) -> None:
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
    epochs = max(1, round(share * model.recipe.epochs))
    meter = CostMeter(model)
    told = _Told(progress)
    with told.within_epochs(model, lambda: meter.gradient_samples / len(split), what, epochs):
        return follow_training(
            _train(model, split, rng, epochs),
            meter,
            OwnDraws(rng, split.device),
            what=what,
            epochs=epochs,
            device=split.device,
            gradient_flops=gradient_flops,
            is_over=is_over,
            progress=told,
            watch=lambda: watch(model),
        )


class _Told:
    """A Progress that hands on what it is told, and tells of its own where an epoch takes long."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._start = self._last = time.monotonic()

    def __call__(self, what: str, done: float, total: int, seconds: float) -> None:
        self._last = time.monotonic()
        self._progress(what, done, total, seconds)

    @contextmanager
    def within_epochs(
        self, model: Network, count: Callable[[], float], what: str, total: int
    ) -> Iterator[None]:
        """Tell of `count`, the epochs begun so far, while `model` is trained in the block."""

        def look(*_: object) -> None:
            now = time.monotonic()
            if now - self._last >= WITHIN_EVERY_SECONDS and 0 < count() < total:
                self(what, count(), total, now - self._start)

        hook = model.register_forward_pre_hook(look)
        try:
            yield
        finally:
            hook.remove()


def follow_training(
    steps: Steps,
    meter: CostMeter,
    draws: OwnDraws,
    *,
    what: str,
    epochs: int,
    device: torch.device,
    gradient_flops: float,
    is_over: Callable[[], bool],
    progress: Progress = silent,
    watch: Callable[[], None] = lambda: None,
) -> Trained | None:
    """Run a training of so many epochs, and record what `meter` and a clock saw of it; see `train_timed`.

    `draws` are what its layers draw, in the steps alone.
    """
    clock, done = Stopwatch(device), 0
    progress(what, done, epochs, 0.0)
    while True:
        try:
            with draws.use(), clock.measure():
                next(steps)
        except StopIteration as end:
            return end.value, _record(meter, clock, gradient_flops, device)
        done += 1
        with meter.pause():
            watch()
        progress(what, done, epochs, clock.seconds)
        if done < epochs and is_over():
            steps.close()
            return None


def _train(model: Network, split: Split, rng: torch.Generator, epochs: int) -> Steps:
    yield from islice(train_model(model, split, rng), epochs)
    return {name: tensor.cpu() for name, tensor in model.state_dict().items()}


def _record(
    meter: CostMeter, clock: Stopwatch, gradient_flops: float, device: torch.device
) -> TrainingRecord:
    samples, threads = meter.gradient_samples, torch.get_num_threads()
    flops, name = samples * gradient_flops, device_name(device)
    return TrainingRecord(clock.seconds, samples, flops, name, threads, clock.busy_seconds)


def device_name(device: torch.device) -> str:
    """Return what the device calls itself, such as "NVIDIA H200", or "cpu"."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
