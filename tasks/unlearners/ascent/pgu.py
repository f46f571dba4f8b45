"""Projected gradient unlearning (Hoang et al., 2024, "Learn to unlearn for deep neural networks: minimizing
unlearning interference with gradient projection", WACV)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float, Int
from tasks.unlearners.base import Passes, Unlearner
from tasks.unlearners.steps.layers import input_products, matrix_layers, principal_directions
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.problem import Problem


@dataclass(frozen=True)
class ProjectedGradient(Unlearner):
    """Unlearn with steps that change no layer's output where the retain set lies (Hoang et al., 2024).

    For each convolution and linear layer, P projects onto the directions of its inputs on the retain set that hold
    a given share of their singular values. Then W ← W − η·∇L·(I − P) on batches of the forget set, with
    L = −mean log(1 − p_y + offset) − w·entropy; all else stays. The authors stop when the accuracy on held-out
    images passes that on the forget set, which a method may not see here: choose the number of epochs.
    """

    verified: ClassVar[Verified] = Verified(
        "authors' code, hnanhtuan/projected_gradient_unlearning",
        (
            "pgu keeps the outputs on the directions of the retain set",
            "pgu takes the step of its loss outside of those directions",
        ),
    )
    anytime: ClassVar[bool] = False
    passes: ClassVar[Passes] = Passes(forget=1)
    counts_beside: ClassVar[bool] = True

    lr: Annotated[float, Float(1e-2, 1.0, log=True, above=0)] = 0.1
    """Learning rate η of the first epoch; it falls exponentially to a tenth after the last."""
    retained: Annotated[float, Float(0.3, 0.99)] = 0.9
    """Share of the sum of singular values that P may not exceed: the larger, the less may move."""
    entropy_weight: Annotated[float, Float(0.0, 2.0, least=0)] = 1.0
    """Weight w of the entropy of the outputs, which grows."""
    epochs: Annotated[int, Int(1, 100, log=True, least=1)] = 10
    """Passes over the forget set; the authors' 100 is a limit."""
    retain_share: Annotated[float, Float(0.02, 1.0, log=True, above=0, most=1)] = 1.0
    """Share of the retain set whose layer inputs are decomposed, in one forward pass."""
    offset: float = 0.1
    """Keeps the logarithm finite."""
    batch_size: int = 128
    """Examples per step."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch; only the last counts."""
        import torch

        model = problem.model.eval()
        layers = matrix_layers(model)
        read = problem.retain.batches(250, problem.rng, share=self.retain_share, augment=False)
        projections = [
            leading_projection(product, self.retained, problem.count_flops)
            for product in input_products(model, layers, read, problem.count_flops)
        ]
        weights = [layer.weight for layer in layers]
        for epoch in range(self.epochs):
            lr = self.lr * 0.1 ** (epoch / self.epochs)
            for x, y in problem.forget.batches(self.batch_size, problem.rng, augment=False):
                gradients = torch.autograd.grad(self.loss(model(x), y), weights)
                with torch.no_grad():
                    for weight, gradient, kept in zip(weights, gradients, projections, strict=True):
                        flat = gradient.flatten(1)
                        free = flat - flat @ kept.to(flat.dtype)
                        problem.count_flops(2 * flat.numel() * len(kept))
                        weight.sub_(free.view_as(weight), alpha=lr)
            yield

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Compute what is descended on, of logits (N, classes) and labels (N,)."""
        log_p = logits.log_softmax(1)
        p = log_p.exp()
        right = p.gather(1, labels[:, None])
        entropy = -(p * log_p).sum(1).mean()
        return -(1 - right + self.offset).log().mean() - self.entropy_weight * entropy


def leading_projection(
    product: Tensor, share: float, count_flops: Callable[[float], None]
) -> Tensor:
    """Project (D, D) onto the leading directions whose singular values add up to at most `share` of the sum."""
    values, directions = principal_directions(product, count_flops)
    count = int((values.cumsum(0) / values.sum() <= share).sum())
    count_flops(2 * count * len(product) ** 2)
    return directions[:, :count] @ directions[:, :count].T
