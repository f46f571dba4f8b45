"""What unlearning costs: device-synchronised seconds, and a count that no neighbour disturbs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from tasks.models.network import Network

PROBE = 2


class Stopwatch:
    """Adds up the seconds spent inside `running()`, waiting for the device at both ends."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.seconds = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count the time inside the block."""
        start = self._now()
        try:
            yield
        finally:
            self.seconds += self._now() - start

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()


class CostMeter:
    """Counts the examples that pass through a model, and through copies made of it.

    An example passed forward with gradients enabled counts as one gradient sample.
    """

    def __init__(self, model: nn.Module) -> None:
        self.gradient_samples = 0
        self.forward_samples = 0
        self.paused = False

        # A closure, not a bound method: deep copies of the model then share this meter.
        def count(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            if self.paused:
                return
            if torch.is_grad_enabled():
                self.gradient_samples += len(inputs[0])
            else:
                self.forward_samples += len(inputs[0])

        model.register_forward_pre_hook(count)

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Leave out what passes inside the block: evaluation is not part of the method's cost."""
        self.paused = True
        try:
            yield
        finally:
            self.paused = False


def flops_per_example(model: Network, shape: tuple[int, ...]) -> tuple[float, float]:
    """FLOPs of one image of `shape` (C, H, W): forward alone, and forward with backward.

    Counted as by torch.utils.flop_counter (matrix products and convolutions; a multiply-add is two).
    """
    device = next(model.parameters()).device
    x = torch.zeros(PROBE, *shape, device=device)
    y = torch.zeros(PROBE, dtype=torch.int64, device=device)
    was_training = model.training
    model.eval()
    with _Flops() as forward:
        loss = F.cross_entropy(model(x), y)
    with _Flops() as backward:
        torch.autograd.grad(loss, [p for p in model.parameters() if p.requires_grad])
    model.train(was_training)
    return forward.total / PROBE, (forward.total + backward.total) / PROBE


class _Flops(TorchDispatchMode):
    """Adds up what the matrix products and convolutions in the block take.

    As torch.utils.flop_counter.FlopCounterMode, which imports torch's compiler: see tasks/optimizer.py.
    """

    total = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # or the compiler is imported to be told to skip this

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        out = function(*args, **(kwargs or {}))
        count = FLOPS.get(function.overloadpacket)
        self.total += count(out, *args) if count else 0
        return out


def _product(out: torch.Tensor, a: torch.Tensor, *_: Any) -> int:
    return 2 * out.numel() * a.shape[-1]


def _convolution(out: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, *rest: Any) -> int:
    """Each output takes a product with one filter; of a transposed one each input does."""
    transposed = rest[4]
    return 2 * (x if transposed else out).numel() * weight[0].numel()


def _convolution_backward(
    _: Any, grad: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, *rest: Any
) -> int:
    """As much as ahead for the gradient of the inputs, and for that of the weights."""
    wanted = rest[-1]
    return _convolution(grad, x, weight, *rest) * sum(wanted[:2])


FLOPS: dict[Any, Callable[..., int]] = {
    torch.ops.aten.mm: _product,
    torch.ops.aten.bmm: _product,
    torch.ops.aten.addmm: lambda out, _, a, *rest: _product(out, a),
    torch.ops.aten.convolution: _convolution,
    torch.ops.aten.convolution_backward: _convolution_backward,
}
