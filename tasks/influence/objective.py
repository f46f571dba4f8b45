"""The mean loss over a set of examples, as a function of a model's weights: gradients and curvature."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, grad, hessian, vjp, vmap
from torch.nn import functional as F

from tasks.datasets.splits import Batch, Split
from tasks.models.network import Network
from tasks.unlearners.base import trainable
from tasks.unlearners.steps.gradients import flat_gradient, flatten, split_like

Weights = dict[str, Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]
"""Maps logits (N, classes) and labels (N,) to the loss (N,) of each example."""


def cross_entropies(logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """Compute the cross-entropy (N,) of each example, with the labels smoothed as in training."""
    return F.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)


@dataclass(frozen=True, eq=False)
class Objective:
    """The mean loss of `model` over `split`; a vector has an entry for each trainable weight.

    The model must be in evaluation mode, so that BatchNorm is a fixed linear map and examples do not mix.
    Images are read without augmentation.
    """

    model: Network
    split: Split
    loss: Loss = cross_entropies
    batch_size: int = 250
    """Examples that are held at a time; it changes no result but by rounding."""

    def batches(self) -> Iterable[Batch]:
        """Read every example once, in index order."""
        return self.split.ordered(self.batch_size)

    def weights(self) -> Weights:
        """Return the trainable weights by name, detached."""
        return {n: p.detach() for n, p in self.model.named_parameters() if p.requires_grad}

    def parts(self, vector: Tensor) -> Weights:
        """Cut a vector into tensors of the weights' names and shapes."""
        weights = self.weights()
        return dict(zip(weights, split_like(vector, list(weights.values())), strict=True))

    def gradient(self, x: Tensor, y: Tensor) -> Tensor:
        """Compute the gradient of the mean loss of a batch, as a vector."""
        return flat_gradient(self.loss(self.model(x), y).mean(), trainable(self.model))

    def multiply(self, vector: Tensor, batches: Iterable[Batch] | None = None) -> Tensor:
        """Multiply by the Gauss-Newton matrix, the mean of Jᵀ H J over the examples [default: all].

        J is the Jacobian of an example's logits, H the Hessian of the loss with respect to these (Schraudolph,
        2002). For a linear model it is the Hessian; for a network it is positive semi-definite, which the
        Hessian is not.
        """
        direction, total, count = self.parts(vector), torch.zeros_like(vector), 0
        weights = self.weights()
        for x, y in self.batches() if batches is None else batches:
            logits, forward = _along(self._logits_of(x), weights, direction)
            curved = self._multiply_loss_hessian(logits, y, forward)
            pull = vjp(self._logits_of(x), weights)[1]
            total += flatten(pull(curved)[0].values())
            count += len(y)
        return total / count

    def dot_gradients(self, vector: Tensor) -> Tensor:
        """Compute the dot product (N,) of each example's gradient with a vector, in index order.

        A pass in forward mode gives them for a whole batch: no example's gradient is computed.
        """
        direction, weights = self.parts(vector), self.weights()
        found = []
        for x, y in self.batches():

            def losses(w: Weights, x: Tensor = x, y: Tensor = y) -> Tensor:
                return self.loss(self._logits_of(x)(w), y)

            found.append(_along(losses, weights, direction)[1].detach())
        return torch.cat(found)

    def loss_hessian_root(self, logits: Tensor, y: Tensor) -> Tensor:
        """Compute S (N, C, C) with S Sᵀ the Hessian of each example's loss with respect to its logits (N, C)."""

        def of_one(z: Tensor, label: Tensor) -> Tensor:
            return self.loss(z.unsqueeze(0), label.unsqueeze(0)).squeeze(0)

        with _quiet_start():
            matrices = vmap(hessian(of_one))(logits, y)
        values, vectors = torch.linalg.eigh(matrices)
        return vectors * values.clamp(min=0).sqrt().unsqueeze(1)

    def _logits_of(self, x: Tensor) -> Callable[[Weights], Tensor]:
        return lambda weights: functional_call(self.model, weights, (x,))

    def _multiply_loss_hessian(self, logits: Tensor, y: Tensor, vector: Tensor) -> Tensor:
        """Multiply the Hessian of the summed loss with respect to the logits (N, C) by a vector (N, C)."""
        slope = grad(lambda z: self.loss(z, y).sum())
        return _along(slope, logits, vector)[1].detach()


def _along(function: Callable[[Any], Tensor], at: Any, direction: Any) -> tuple[Tensor, Tensor]:
    """Compute a function and its derivative along a direction, in forward mode."""
    with _quiet_start():
        value, derivative = torch.func.jvp(function, (at,), (direction,))  # type: ignore[misc]
    return value, derivative


@contextmanager
def _quiet_start() -> Iterator[None]:
    """Drop a warning of the first derivative in forward mode.

    Torch 2.15 imports a module of its own then, which uses what torch itself has deprecated.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit.script`", FutureWarning)
        yield
