"""The cost of unlearning: device-synchronised seconds, and counts that other processes cannot disturb."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

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


class CostMeter:
    """Counts the examples that pass through a model, through copies made of it, and through what it watches.

    An example is a gradient sample if its forward pass can be followed by a backward pass: gradients are
    enabled, and the weights or the images want one. Otherwise it is a forward sample. What is computed beside
    these passes is counted by whoever computes it.
    """

    def __init__(self, model: nn.Module) -> None:
        self.gradient_samples = 0
        self.forward_samples = 0
        self.other_flops = 0.0
        self.paused = False

        # A closure, not a bound method: deep copies of the model then share this meter.
        def count(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            if self.paused:
                return
            if torch.is_grad_enabled() and (inputs[0].requires_grad or _learns(module)):
                self.gradient_samples += len(inputs[0])
            else:
                self.forward_samples += len(inputs[0])

        self._count = count
        self.watch(model)

    def watch(self, model: nn.Module) -> None:
        """Count what passes through another model as well: a teacher is part of a method's cost."""
        model.register_forward_pre_hook(self._count)

    def count_flops(self, flops: float) -> None:
        """Count what is computed outside of the model's passes, such as a decomposition."""
        if not self.paused:
            self.other_flops += flops

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Do not count examples in the block: evaluation is not part of a method's cost."""
        self.paused = True
        try:
            yield
        finally:
            self.paused = False


def _learns(model: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in model.parameters())
