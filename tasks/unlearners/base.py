"""What an unlearner is, and the few lines that every gradient method shares.

Methods import torch inside functions: a driver and `orchestrator list` read what they declare, at once.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from tasks.errors import InvalidValue
from tasks.search_space import Float, Int, parameters
from tasks.unlearners.passes import Passes

if TYPE_CHECKING:
    import torch

    from tasks.compute.adam import Adam
    from tasks.compute.sgd import SGD
    from tasks.datasets.splits import Batch
    from tasks.problem import Problem

__all__ = [
    "Passes", "SGDUnlearner", "Unlearner", "begin_unlearning", "cross_entropy", "passes_of", "sgd", "step", "trainable",
]  # fmt: skip


@dataclass(frozen=True)
class Unlearner:
    """A method and its hyper-parameters: the fields of a frozen dataclass."""

    anytime: ClassVar[bool] = True
    """Whether each yield is a result in its own right. False where the schedule depends on the
    total number of epochs: then only the last yield counts."""
    class_forgetting: ClassVar[bool] = False
    """Whether the method only makes sense when whole classes are forgotten."""
    deterministic: ClassVar[bool] = False
    """Whether it draws no random number at its defaults: every seed then gives the same weights."""
    needs: ClassVar[frozenset[str]] = frozenset()
    """What it needs beyond what every problem has: names from tasks.needs.NEEDS."""
    passes: ClassVar[Passes] = Passes(retain=1, forget=1)
    """What an epoch reads, or the whole method if it has no epochs: for estimates."""
    preparation: ClassVar[Passes] = Passes()
    """What it reads once, before its first epoch."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Change `problem.model` in place and yield after each epoch, or once.

        All randomness comes from `problem.rng`. The clock runs from this call to the last yield and
        stands still between a yield and the next step: copies of the original count, evaluation does not.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no unlearn()")

    @classmethod
    def from_params(cls, params: dict[str, Any]) -> Unlearner:
        """Build from plain values; raises InvalidValue for an unknown name or a value out of range."""
        known = parameters(cls)
        for name, value in params.items():
            if name not in known:
                raise InvalidValue(
                    f"{cls.__name__} has no hyper-parameter {name!r}; valid: {', '.join(known)}"
                )
            known[name].check(value)
        return cls(**params)

    @property
    def params(self) -> dict[str, Any]:
        """Every hyper-parameter and its value, searched or not: what the results row publishes."""
        return asdict(self)


@dataclass(frozen=True)
class SGDUnlearner(Unlearner):
    """A method that trains by SGD, epoch after epoch, with the fields that most of them share.

    A subclass declares a field again to change its domain, default or help. One that it has no use for it
    fixes, which takes the field away: `weight_decay: ClassVar[float] = 0.0  # type: ignore[misc]`.
    """

    lr: Annotated[float, Float(1e-4, 1e-1, log=True)] = 1e-2
    """SGD learning rate."""
    epochs: Annotated[int, Int(1, 10)] = 5
    """Passes over the chosen share of the retain set."""
    retain_share: Annotated[float, Float(0.02, 1.0, log=True)] = 1.0
    """Share of the retain set visited in an epoch, drawn anew each time."""
    momentum: float = 0.9
    """SGD momentum."""
    weight_decay: float = 5e-4
    """L2 penalty towards zero."""
    batch_size: int = 256
    """Examples per step."""

    def optimizer(self, model: torch.nn.Module) -> SGD:
        """Make the SGD that its fields describe, over the trainable parameters of `model`."""
        return sgd(model, self.lr, self.momentum, self.weight_decay)

    def epochs_of(self, model: torch.nn.Module) -> Iterator[int]:
        """Count its epochs from 0; `model` is in training mode at the start of each."""
        for epoch in range(self.epochs):
            model.train()
            yield epoch

    def retain_batches(self, problem: Problem) -> Iterator[Batch]:
        """Read a random share of the retain set, augmented: images (B, C, H, W) and labels (B,)."""
        return problem.retain.batches(self.batch_size, problem.rng, share=self.retain_share)

    def forget_batches(self, problem: Problem) -> Iterator[Batch]:
        """Read the forget set once, augmented: images (B, C, H, W) and labels (B,)."""
        return problem.forget.batches(self.batch_size, problem.rng)


def begin_unlearning(unlearner: Unlearner, problem: Problem) -> Iterator[None]:
    """Call `unlearner.unlearn`, also that of a plug-in from before there were problems.

    Such a one takes (model, retain, forget, rng).
    """
    unlearn: Callable[..., Iterator[None]] = unlearner.unlearn
    required = [p for p in inspect.signature(unlearn).parameters.values() if p.default is p.empty]
    if len(required) == 4:
        return unlearn(problem.model, problem.retain, problem.forget, problem.rng)
    return unlearn(problem)


def passes_of(cls: type[Unlearner]) -> Passes:
    """The passes that a class declares; a plug-in from before declares a pair, or None for a training."""
    declared: Any = cls.passes
    if declared is None:
        return Passes(trainings=1)
    return Passes(*declared) if isinstance(declared, tuple) else declared


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


def step(optimizer: SGD | Adam | torch.optim.Optimizer, loss: torch.Tensor) -> None:
    """Take one step of `optimizer` down `loss`."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
