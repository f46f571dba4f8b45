"""Boundary expanding (Chen et al., 2023, "Boundary unlearning", CVPR, section 4.3)."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float, Int
from tasks.unlearners.base import Passes, cross_entropy, descend
from tasks.unlearners.forget_alone import ForgetAlone
from tasks.unlearners.steps.blocks import other_head
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from torch import nn

    from tasks.problem import Problem


@dataclass(frozen=True)
class BoundaryExpand(ForgetAlone):
    """Fit the forget set to an added class, then drop that class (Chen et al., 2023).

    The head gets a new output C + 1, drawn as before training; descend on CE(forget, C + 1); return the model
    without that output. The retain set is not read. Each yield is a model of C outputs.
    """

    verified: ClassVar[Verified] = Verified(
        "a port, OPTML-Group/Unlearn-Saliency", ("boundary expand drops the added class",)
    )
    class_forgetting: ClassVar[bool] = True
    passes: ClassVar[Passes] = Passes(forget=1)

    lr: Annotated[float, Float(1e-6, 1e-1, log=True, above=0)] = 1e-3
    """SGD learning rate; the authors' is 1e-5, over hundreds of steps."""
    epochs: Annotated[int, Int(1, 10, least=1)] = 5
    """Passes over the forget set."""
    retain_share: ClassVar[float] = 0.0  # type: ignore[misc]
    weight_decay: float = 0.0
    """L2 penalty towards zero."""
    # A mask does not fit: the head has a row more while it learns.
    mask: ClassVar[str] = "none"  # type: ignore[misc]
    mask_share: ClassVar[float] = 1.0  # type: ignore[misc]

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch."""
        import torch

        model = problem.model
        narrow, wide = model.head, widened(problem)
        with other_head(model, wide):
            optimizer = self.optimizer(model)
        for _ in self.epochs_of(model):
            with other_head(model, wide), self.forget_pass(model):
                for x, y in self.forget_batches(problem):
                    added = torch.full_like(y, problem.classes)
                    descend(optimizer, lambda: cross_entropy(model(x), added))
            keep_first_rows(wide, narrow)
            yield


def widened(problem: Problem) -> nn.Linear:
    """Make a head with a row more than the model's: the last is drawn from `problem.rng`, the others are copied.

    The drawn row is one of a head that is drawn as before training: only the model knows how that is.
    """
    import torch
    from torch import nn

    fresh, narrow = copy.deepcopy(problem.model), problem.model.head
    fresh.draw([fresh.head], problem.rng)
    wide = copy.deepcopy(narrow)  # a new nn.Linear would draw from torch's own generator
    wide.out_features += 1
    wide.weight = nn.Parameter(torch.cat([narrow.weight, fresh.head.weight[:1]]).detach())
    if narrow.bias is not None:
        wide.bias = nn.Parameter(torch.cat([narrow.bias, fresh.head.bias[:1]]).detach())
    return wide


def keep_first_rows(wide: nn.Linear, narrow: nn.Linear) -> None:
    """Copy into `narrow` as many rows of `wide` as it has."""
    import torch

    with torch.no_grad():
        narrow.weight.copy_(wide.weight[: len(narrow.weight)])
        if narrow.bias is not None:
            narrow.bias.copy_(wide.bias[: len(narrow.bias)])
