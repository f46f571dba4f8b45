"""Adam by torch's own arithmetic, without the cost of importing torch.optim.Optimizer; see tasks.compute.sgd."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch.optim.adam import adam


class Adam:
    """Adam (Kingma and Ba, 2015) with torch's default betas, bit-identical to torch.optim.Adam.

    `decoupled` takes the weight decay out of the gradient, as AdamW does (Loshchilov and Hutter, 2019).
    """

    def __init__(
        self,
        parameters: Iterable[torch.Tensor],
        lr: float,
        weight_decay: float = 0.0,
        decoupled: bool = False,
    ) -> None:
        self.param_groups: list[dict[str, Any]] = [{"params": list(parameters), "lr": lr}]
        self._weight_decay, self._decoupled = weight_decay, decoupled
        self._state: dict[torch.Tensor, tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = {}

    def zero_grad(self) -> None:
        """Delete all gradients."""
        for parameter in self.param_groups[0]["params"]:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Update every parameter that has a gradient."""
        moved = [p for p in self.param_groups[0]["params"] if p.grad is not None]
        for p in moved:
            if p not in self._state:
                self._state[p] = (torch.zeros_like(p), torch.zeros_like(p), torch.zeros(()))
        means, squares, steps = (
            list(column) for column in zip(*(self._state[p] for p in moved), strict=True)
        )
        adam(
            moved, [p.grad for p in moved], means, squares, [], steps,
            decoupled_weight_decay=self._decoupled, amsgrad=False, beta1=0.9, beta2=0.999,
            lr=self.param_groups[0]["lr"], weight_decay=self._weight_decay, eps=1e-8, maximize=False,
        )  # fmt: skip
