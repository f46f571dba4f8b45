"""Floating-point operations of a model, counted from the operators that it calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from tasks.models.network import Network

PROBE = 2


def flops_per_example(model: Network, shape: tuple[int, ...]) -> tuple[float, float]:
    """Count the FLOPs of one image of `shape` (C, H, W): forward alone, and forward with backward.

    The rules are those of torch.utils.flop_counter (matrix products and convolutions; a multiply-add is two).
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
