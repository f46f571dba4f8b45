"""Prune first, then unlearn (Jia et al., 2023, "Model sparsity can simplify machine unlearning")."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float
from tasks.unlearners.base import Passes, SGDUnlearner, cross_entropy
from tasks.unlearners.steps.masks import masked_step, top_mask

if TYPE_CHECKING:
    from torch import Tensor, nn

    from tasks.problem import Problem


@dataclass(frozen=True)
class PruneFinetune(SGDUnlearner):
    """Set the smallest weights to zero, then fine-tune the others on the retain set (Jia et al., 2023).

    θ ← m ⊙ θ with m the (1 − sparsity) largest |θ| of all convolution and linear weights, and then masked steps
    down CE(retain): what was pruned stays zero. The authors prune with all the data, before they are to forget;
    here the given model is pruned, as a part of unlearning.
    """

    passes: ClassVar[Passes] = Passes(retain=1)

    lr: Annotated[float, Float(1e-3, 2e-1, log=True)] = 5e-2
    """SGD learning rate."""
    sparsity: Annotated[float, Float(0.3, 0.99)] = 0.9
    """Share of the weights of convolutions and linear layers that become zero."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch."""
        import torch

        model = problem.model
        weights = prunable(model)
        masks = top_mask([w.detach().abs() for w in weights], 1 - self.sparsity)
        with torch.no_grad():
            for weight, mask in zip(weights, masks, strict=True):
                weight.mul_(mask)
        optimizer = self.optimizer(model)
        for _ in self.epochs_of(model):
            for x, y in self.retain_batches(problem):
                masked_step(optimizer, cross_entropy(model(x), y), weights, masks)
            yield


def prunable(model: nn.Module) -> list[Tensor]:
    """List the weights of convolutions and linear layers that may move, without biases."""
    from torch import nn

    layers = (m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear))
    return [layer.weight for layer in layers if layer.weight.requires_grad]
