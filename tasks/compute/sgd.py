"""Stochastic gradient descent by torch's own arithmetic, without the cost of importing torch.optim.Optimizer.

Each subclass of torch.optim.Optimizer imports torch's compiler, only to exclude itself from compilation.
That takes a second and 170 MB in each process that trains.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch.optim.sgd import sgd

Groups = Iterable[dict[str, Any]]


class SGD:
    """SGD with momentum and Nesterov's momentum (Sutskever et al., 2013), bit-identical to torch.optim.SGD.

    `parameters` are tensors or groups of tensors, as in torch. A group may have its own
    `weight_decay`, and its `lr` may be changed between two steps.
    """

    def __init__(
        self,
        parameters: Iterable[torch.Tensor] | Groups,
        lr: float,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        given: list[Any] = list(parameters)
        groups = given if given and isinstance(given[0], dict) else [{"params": given}]
        shared = {"lr": lr, "weight_decay": weight_decay}
        self.param_groups = [{**shared, **g, "params": list(g["params"])} for g in groups]
        self._momentum, self._nesterov = momentum, nesterov
        self._buffers: dict[torch.Tensor, torch.Tensor | None] = {}

    def zero_grad(self) -> None:
        """Delete all gradients."""
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            moved = [p for p in group["params"] if p.grad is not None]
            buffers = [self._buffers.get(p) for p in moved]
            sgd(
                moved, [p.grad for p in moved], buffers,
                weight_decay=group["weight_decay"], momentum=self._momentum, lr=group["lr"],
                dampening=0.0, nesterov=self._nesterov, maximize=False,
            )  # fmt: skip
            if self._momentum:
                self._buffers.update(zip(moved, buffers, strict=True))
