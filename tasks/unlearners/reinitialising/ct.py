"""Convolution transpose: the fifth solution of the unlearning competition of NeurIPS 2023 (Triantafillou et al.,
2024, "Are we making progress in unlearning?"), as Cadet et al. (2024, "Deep Unlearn") name and port it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float, Int
from tasks.unlearners.base import Passes, SGDUnlearner, cross_entropy, descend
from tasks.unlearners.steps.blocks import convolutions
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from torch import nn

    from tasks.problem import Problem


@dataclass(frozen=True)
class ConvolutionTranspose(SGDUnlearner):
    """Transpose every convolution's kernels, then fine-tune on the retain set (Triantafillou et al., 2024).

    W[o, i, u, v] ← W[o, i, v, u]; then SGD on CE(retain), with a learning rate that falls along a cosine over the
    epochs. Kernels of 1x1 stay as they are, and so does a frozen whitening layer.
    """

    verified: ClassVar[Verified] = Verified(
        "a port, xcadet/deepunlearn", ("transposing twice changes nothing and once every kernel",)
    )
    anytime: ClassVar[bool] = False
    changes_convolutions: ClassVar[bool] = True
    passes: ClassVar[Passes] = Passes(retain=1)

    lr: Annotated[float, Float(1e-3, 2e-1, log=True, above=0)] = 3e-2
    """SGD learning rate at the start; the competition's was 1e-3."""
    epochs: Annotated[int, Int(1, 10, least=1)] = 3
    """Passes over the chosen share of the retain set; the learning rate's schedule depends on it."""
    batch_size: int = 64
    """Examples per step."""
    # A mask makes no sense: transposed kernels do not keep their values.
    mask: ClassVar[str] = "none"  # type: ignore[misc]
    mask_share: ClassVar[float] = 1.0  # type: ignore[misc]

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch; only the last counts."""
        model = problem.model
        transpose(convolutions(model))
        optimizer = self.optimizer(model)
        for epoch in self.epochs_of(model):
            fading = (1 + math.cos(math.pi * epoch / self.epochs)) / 2
            optimizer.param_groups[0]["lr"] = fading * self.lr
            for x, y in self.retain_batches(problem):
                descend(optimizer, lambda: cross_entropy(model(x), y))
            yield


def transpose(layers: list[nn.Conv2d]) -> None:
    """Exchange height and width of the kernels of `layers`, which are square."""
    import torch

    with torch.no_grad():
        for layer in layers:
            if layer.kernel_size[0] == layer.kernel_size[1]:
                layer.weight.copy_(layer.weight.transpose(2, 3).clone())
