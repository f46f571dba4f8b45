"""What an unlearner is, and the few lines that every gradient method shares.

Methods import torch inside functions: a driver and `orchestrator list` read what they declare, at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from tasks.errors import InvalidValue
from tasks.search_space import parameters

if TYPE_CHECKING:
    import torch

    from tasks.compute.sgd import SGD
    from tasks.datasets.splits import Split
    from tasks.models.network import Network


@dataclass(frozen=True)
class Unlearner:
    """A method and its hyper-parameters: the fields of a frozen dataclass.

    `unlearn` gets the retain and the forget split alone: no held-out data can leak into it.
    """

    anytime: ClassVar[bool] = True
    """Whether each yield is a result in its own right. False where the schedule depends on the
    total number of epochs: then only the last yield counts."""
    class_forgetting: ClassVar[bool] = False
    """Whether the method only makes sense when whole classes are forgotten."""

    passes: ClassVar[tuple[float, float] | None] = (1, 1)
    """Times an epoch passes over its share of the retain set, and over the forget set: for estimates.
    None for a whole training."""

    def unlearn(
        self, model: Network, retain: Split, forget: Split, rng: torch.Generator
    ) -> Iterator[None]:
        """Change `model` in place and yield after each epoch, or once.

        All randomness comes from `rng`, a generator on the CPU.
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


def trainable(model: torch.nn.Module) -> list[torch.nn.Parameter]:
    """The parameters an unlearner may move (a whitening layer, say, is frozen)."""
    return [p for p in model.parameters() if p.requires_grad]


def sgd(model: torch.nn.Module, lr: float, momentum: float = 0.9, weight_decay: float = 0.0) -> SGD:
    """SGD over the trainable parameters of `model`."""
    from tasks.compute.sgd import SGD

    return SGD(trainable(model), lr, momentum, weight_decay=weight_decay)


def cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of logits (N, classes) against labels (N,)."""
    import torch

    return torch.nn.functional.cross_entropy(logits, labels)


def step(optimizer: SGD | torch.optim.Optimizer, loss: torch.Tensor) -> None:
    """One step of `optimizer` down `loss`."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
