"""Random labels, successively (Graves et al., 2021, "Amnesiac machine learning", section 4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float, Int
from tasks.unlearners.base import Passes, SGDUnlearner, cross_entropy, step

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from tasks.problem import Problem


@dataclass(frozen=True)
class RandomLabels(SGDUnlearner):
    """Each epoch: fit the forget set to fresh wrong labels, then the retain set to its own (Graves et al., 2021)."""

    passes: ClassVar[Passes] = Passes(retain=1, forget=1)

    lr: Annotated[float, Float(1e-3, 1e-1, log=True)] = 1e-2
    """SGD learning rate."""
    epochs: Annotated[int, Int(1, 10)] = 3
    """Rounds of both phases."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields after both phases."""
        model = problem.model
        optimizer = self.optimizer(model)
        for _ in self.epochs_of(model):
            for x, y in self.forget_batches(problem):
                wrong = wrong_labels(y, problem.classes, problem.rng)
                step(optimizer, cross_entropy(model(x), wrong))
            for x, y in self.retain_batches(problem):
                step(optimizer, cross_entropy(model(x), y))
            yield


def wrong_labels(y: Tensor, classes: int, rng: torch.Generator) -> Tensor:
    """Draw for each label (N,) one of the other `classes` − 1, uniformly."""
    import torch

    from tasks.datasets.splits import send_to_device

    offset = torch.randint(1, classes, y.shape, generator=rng)
    return (y + send_to_device(offset, y.device)) % classes
