"""Fisher forgetting (Golatkar et al., 2020, "Eternal sunshine of the spotless net", section 4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float
from tasks.unlearners.base import Passes, Unlearner, trainable
from tasks.unlearners.steps.batches import count_share
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.datasets.splits import Split
    from tasks.models.network import Network
    from tasks.problem import Problem


@dataclass(frozen=True)
class FisherForgetting(Unlearner):
    """Drown in noise the weights that matter little to the retain set (Golatkar et al., 2020).

    θ ← μ + √var·N(0, 1), var = α·min(1/(F + 1e-8), 1000), averaged over dimension 1 of matrices and kernels; ten
    times that, of at most 100, in the head, and ten times that in vectors. F = the mean over examples of
    Σ_y p_y (∂ℓ_y)², over all labels y. Where whole classes are forgotten, their rows of the head have μ = 0 and
    var = 10⁻³. The authors' code takes any tensor with as many rows as classes for the head; this one asks the
    model. They read the whole retain set: a backward pass for each example and class.
    """

    verified: ClassVar[Verified] = Verified(
        "authors' code, AdityaGolatkar/SelectiveForgetting",
        (
            "the fisher information sums over all labels by their probability",
            "fisher forgetting adds noise of the variance it says",
        ),
    )
    passes: ClassVar[Passes] = Passes(retain=1)
    counts_beside: ClassVar[bool] = True

    strength: Annotated[float, Float(1e-9, 1e-3, log=True, above=0)] = 1e-6
    """Variance α of the noise, for F = 1."""
    retain_share: Annotated[float, Float(0.02, 1.0, log=True, above=0, most=1)] = 0.1
    """Share of the retain set on which F is estimated."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields once."""
        import torch

        from tasks.datasets.splits import send_to_device

        model, rng, rows = problem.model.eval(), problem.rng, list(problem.forgotten_classes)
        part = problem.retain.subset(count_share(problem.retain, self.retain_share), problem.rng)
        head = {id(p) for p in model.head.parameters()}
        fishers = label_fisher(model, part)
        problem.count_backwards((problem.classes - 1) * len(part))
        with torch.no_grad():
            for weight, fisher in zip(trainable(model), fishers, strict=True):
                variance = self.variance(fisher, head=id(weight) in head)
                if id(weight) in head:
                    weight[rows], variance[rows] = 0.0, 1e-3
                draw = torch.randn(weight.shape, generator=rng, dtype=weight.dtype)
                weight.add_(variance.sqrt() * send_to_device(draw, weight.device))
        yield

    def variance(self, fisher: Tensor, *, head: bool) -> Tensor:
        """Compute the variance of the noise for a tensor of weights, of the shape of its Fisher information."""
        inverse = (1 / (fisher + 1e-8)).clamp(max=100.0 if head else 1000.0)
        variance = self.strength * inverse
        if fisher.dim() > 1:
            variance = variance.mean(1, keepdim=True).expand_as(fisher).clone()
        return 10 * variance if head or fisher.dim() == 1 else variance


def label_fisher(model: Network, split: Split) -> list[Tensor]:
    """Average Σ_y p_y (∂ℓ_y)² over the examples of a split: the Fisher information's diagonal, for each weight."""
    import torch

    weights = trainable(model)
    totals = [torch.zeros_like(w) for w in weights]
    for x, _ in split.ordered(1):
        log_p = model(x).log_softmax(1)[0]
        for one in log_p:
            gradients = torch.autograd.grad(one, weights, retain_graph=True)
            for total, gradient in zip(totals, gradients, strict=True):
                total.add_(one.detach().exp() * gradient.square())
    return [total / len(split) for total in totals]
