"""Floating-point operations of a model, counted from the operators that it calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from tasks.compute.meters import Gradients
from tasks.models.network import Network

PROBE = 2


def forward_flops(model: Network, shape: tuple[int, ...]) -> float:
    """Count the FLOPs of the forward pass of one image of `shape` (C, H, W).

    The rules are those of torch.utils.flop_counter (matrix products and convolutions; a multiply-add is two).
    """
    was_training = model.training
    model.eval()
    with torch.no_grad(), CountedFlops() as forward:
        model(torch.zeros(PROBE, *shape, device=next(model.parameters()).device))
    model.train(was_training)
    return forward.total / PROBE


def gradient_flops(model: Network, shape: tuple[int, ...], wanted: Gradients) -> float:
    """Count the FLOPs of one image of `shape` (C, H, W): forward, and backward for the wanted gradients alone.

    Below the lowest layer that learns there is nothing to go back through. The model is left as it was.
    """
    weights = list(model.parameters())
    before = [weight.requires_grad for weight in weights]
    x = torch.zeros(PROBE, *shape, device=weights[0].device, requires_grad=wanted.images)
    y = torch.zeros(PROBE, dtype=torch.int64, device=x.device)
    was_training = model.training
    model.eval()
    try:
        for weight, learns in zip(weights, wanted.weights, strict=True):
            weight.requires_grad_(learns)
        with CountedFlops() as both:
            loss = F.cross_entropy(model(x), y)
            torch.autograd.grad(loss, [w for w in (x, *weights) if w.requires_grad])
    finally:
        for weight, learned in zip(weights, before, strict=True):
            weight.requires_grad_(learned)
        model.train(was_training)
    return both.total / PROBE


class CountedFlops(TorchDispatchMode):
    """Adds up the FLOPs of the matrix products and convolutions in the block.

    It replaces torch.utils.flop_counter.FlopCounterMode, which imports torch's compiler: see
    tasks/compute/sgd.py.
    """

    total = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # else torch imports the compiler to tell it to skip this mode

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
    """Count one filter product per output element (per input element if transposed)."""
    transposed = rest[4]
    return 2 * (x if transposed else out).numel() * weight[0].numel()


def _convolution_backward(
    _: Any, grad: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, *rest: Any
) -> int:
    """Count as much as the forward pass for the gradient of the inputs, and again for the weights."""
    wanted = rest[-1]
    return _convolution(grad, x, weight, *rest) * sum(wanted[:2])


FLOPS: dict[Any, Callable[..., int]] = {
    torch.ops.aten.mm: _product,
    torch.ops.aten.bmm: _product,
    torch.ops.aten.addmm: lambda out, _, a, *rest: _product(out, a),
    torch.ops.aten.convolution: _convolution,
    torch.ops.aten.convolution_backward: _convolution_backward,
}
