"""The cost of unlearning: device-synchronised seconds, and counts that other processes cannot disturb."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import nn


class Stopwatch:
    """Adds up the seconds spent inside `measure()`, waiting for the device at both ends."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.seconds = 0.0
        """Wall seconds."""
        self.busy_seconds = 0.0
        """CPU seconds of this process, all threads; on a GPU wall seconds, during which it may be shared."""

    @contextmanager
    def measure(self) -> Iterator[None]:
        """Add the time of the block."""
        start, busy = self._now(), self._busy()
        try:
            yield
        finally:
            self.seconds += self._now() - start
            self.busy_seconds += self._busy() - busy

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()

    def _busy(self) -> float:
        return time.process_time() if self._device.type == "cpu" else time.perf_counter()


@dataclass(frozen=True)
class Gradients:
    """Which gradients can follow a forward pass: they decide what its backward pass takes."""

    weights: tuple[bool, ...]
    """Of each of the model's parameters, in their order."""
    images: bool = False
    """Of the images that pass."""

    @classmethod
    def of_training(cls, model: nn.Module) -> Gradients:
        """Return those of the weights that the model learns at present."""
        return cls(tuple(parameter.requires_grad for parameter in model.parameters()))

    @classmethod
    def of_pass(cls, model: nn.Module, images: torch.Tensor) -> Gradients:
        """Return those of the weights, and of the images if these want one."""
        return replace(cls.of_training(model), images=images.requires_grad)

    @property
    def are_any(self) -> bool:
        """Tell whether a backward pass can follow at all."""
        return self.images or any(self.weights)


class CostMeter:
    """Counts the examples that pass through a model, through copies made of it, and through what it watches.

    An example is a gradient sample if its forward pass can be followed by a backward pass: gradients are
    enabled, and the weights or the images want one. Otherwise it is a forward sample. What is computed beside
    these passes is counted by whoever computes it.
    """

    def __init__(self, model: nn.Module) -> None:
        self.by_gradients: Counter[Gradients] = Counter()
        """Gradient samples, by which gradients their backward pass may give."""
        self.forward_samples = 0
        self.further_backwards = 0
        self.other_flops = 0.0
        self.paused = False

        # A closure, not a bound method: deep copies of the model then share this meter.
        def count(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            if self.paused:
                return
            images = inputs[0]
            # Without gradients no weight is asked: a pass of evaluation pays nothing.
            if torch.is_grad_enabled() and (wanted := Gradients.of_pass(module, images)).are_any:
                self.by_gradients[wanted] += len(images)
            else:
                self.forward_samples += len(images)

        self._count = count
        self.watch(model)

    @property
    def gradient_samples(self) -> int:
        """Examples whose forward pass can be followed by a backward pass."""
        return self.by_gradients.total()

    def watch(self, model: nn.Module) -> None:
        """Count what passes through another model as well: a teacher is part of a method's cost."""
        model.register_forward_pre_hook(self._count)

    def count_flops(self, flops: float) -> None:
        """Count what is computed outside of the model's passes, such as a decomposition."""
        if not self.paused:
            self.other_flops += flops

    def count_backwards(self, examples: int) -> None:
        """Count further backward passes of examples whose first one counts already, as second derivatives take."""
        if not self.paused:
            self.further_backwards += examples

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Do not count examples in the block: evaluation is not part of a method's cost."""
        self.paused = True
        try:
            yield
        finally:
            self.paused = False
