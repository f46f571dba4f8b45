"""Steps down a loss: plain ones, ones that move marked weights alone, and sharpness-aware ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tasks.errors import InvalidValue
from tasks.unlearners.steps.batch_norm import kept_buffers

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from tasks.compute.adam import Adam
    from tasks.compute.sgd import SGD

    Optimizer = SGD | Adam | torch.optim.Optimizer

Masks = Mapping[str, "Tensor"]
"""Which entries of a parameter may move, by its name: boolean, of its shape. One without a mask moves whole."""

SMALLEST_NORM = 1e-12


class Descent:
    """An optimizer whose steps move marked weights alone, and may be sharpness-aware.

    A step with masks puts the other entries back, to the last bit: weight decay and momentum would move them.
    With a `radius` ρ it is along the gradient at θ + ρ·g/‖g‖, g being the (masked) gradient at θ, of the same
    batch (Foret et al., 2021, "Sharpness-aware minimization for efficiently improving generalization", eq. 2).
    """

    def __init__(
        self,
        optimizer: Optimizer,
        model: torch.nn.Module,
        masks: Masks | None = None,
        radius: float = 0.0,
    ) -> None:
        """`masks` name parameters of `model`, whose buffers a second pass leaves as they are."""
        self._optimizer, self._model, self._radius = optimizer, model, radius
        named = dict(model.named_parameters())
        self._masked = [(named[name], mask) for name, mask in (masks or {}).items()]

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Those of the optimizer: a schedule sets `lr` in them."""
        return self._optimizer.param_groups

    def zero_grad(self) -> None:
        """Delete all gradients."""
        self._optimizer.zero_grad()

    def step(self) -> None:
        """Step along the gradients that the weights hold.

        Raises InvalidValue if it is sharpness-aware: what made the gradients must be called a second time.
        """
        if self._radius:
            raise InvalidValue(
                f"sam={self._radius}: this method takes steps with gradients that cannot be made "
                "a second time (see descend() in tasks/unlearners/base.py); valid: 0"
            )
        self._step()

    def move(self, differentiate: Callable[[], object]) -> None:
        """Step along the gradients that `differentiate` leaves in the weights.

        Where it is sharpness-aware, `differentiate` is called twice. It must draw nothing at random: batches and
        drawn labels come from outside. The buffers, such as the statistics of BatchNorm, follow the first call
        alone, at θ: the second one normalises each batch by itself in training mode, and its update is undone.
        """
        self.zero_grad()
        differentiate()
        if self._radius:
            self._mask_gradients()
            with self._perturbed(), kept_buffers(self._model):
                self.zero_grad()
                differentiate()
        self._step()

    def _step(self) -> None:
        import torch

        before = [weight.detach().clone() for weight, _ in self._masked]
        self._mask_gradients()
        with torch.no_grad():
            self._optimizer.step()
            for (weight, mask), old in zip(self._masked, before, strict=True):
                weight.copy_(torch.where(mask, weight, old))

    def _mask_gradients(self) -> None:
        for weight, mask in self._masked:
            if weight.grad is not None:
                weight.grad = weight.grad * mask

    @contextmanager
    def _perturbed(self) -> Iterator[None]:
        """Go up by the radius along the gradients, and back to the same bits after the block."""
        import torch

        groups = self.param_groups
        moved = [p for group in groups for p in group["params"] if p.grad is not None]
        before = [p.detach().clone() for p in moved]
        norm = torch.stack([p.grad.norm() for p in moved]).norm().clamp(min=SMALLEST_NORM)
        with torch.no_grad():
            for p in moved:
                p.add_(p.grad * (self._radius / norm))
        yield
        with torch.no_grad():
            for p, old in zip(moved, before, strict=True):
                p.copy_(old)


def descend(optimizer: Descent, loss: Callable[[], Tensor]) -> None:
    """Take one step down a loss, given as a function: a sharpness-aware step calls it twice.

    It holds the forward passes of what is learned. What is drawn at random, and what teachers say, comes from outside.
    """
    optimizer.move(lambda: loss().backward())


def step(optimizer: Optimizer | Descent, loss: Tensor) -> None:
    """Take one step of `optimizer` down `loss`, which was computed before; `descend` is sharpness-aware as well."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def trainable(model: torch.nn.Module) -> list[torch.nn.Parameter]:
    """The parameters an unlearner may move (a whitening layer, say, is frozen)."""
    return [p for p in model.parameters() if p.requires_grad]


def sgd(model: torch.nn.Module, lr: float, momentum: float = 0.9, weight_decay: float = 0.0) -> SGD:
    """Make an SGD over the trainable parameters of `model`."""
    from tasks.compute.sgd import SGD

    return SGD(trainable(model), lr, momentum, weight_decay=weight_decay)


def cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Compute the mean cross-entropy of logits (N, classes) against labels (N,)."""
    import torch

    return torch.nn.functional.cross_entropy(logits, labels)
