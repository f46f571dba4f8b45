"""Prune, reinitialise, match, quantise: fourth place of the NeurIPS 2023 challenge (Triantafillou et al., 2024).

"Are we making progress in unlearning?" describes the winners. The rule is that of the winners' code as ported in
"Deep unlearn" (Cadet et al., 2024, `kgltop4`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float, Int
from tasks.unlearners.base import Passes, SGDUnlearner, descend
from tasks.unlearners.steps.distillation import entropy
from tasks.unlearners.steps.masks import top_mask
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from tasks.problem import Problem


@dataclass(frozen=True)
class PruneReinitialiseMatchQuantise(SGDUnlearner):
    """Redraw the smallest weights, then fine-tune towards the original's entropies (Triantafillou et al., 2024).

    Ranked by |w| across all convolutions and linear layers, the smallest weights are redrawn from
    U(−1/√fan-in, 1/√fan-in), and biases among them become 0. Descend on CE(retain), with class weights n_c^−0.1,
    plus the mean of (H(p) − H(p0))², the entropies of the student and the original. At the end weights and
    statistics are rounded to half precision.
    """

    verified: ClassVar[Verified] = Verified(
        "a port, xcadet/deepunlearn",
        (
            "prmq redraws the smallest weights within their bounds",
            "prmq pulls the entropies towards the original's",
        ),
    )
    anytime: ClassVar[bool] = False
    passes: ClassVar[Passes] = Passes(retain=1)

    lr: Annotated[float, Float(1e-4, 1e-1, log=True, above=0)] = 1e-2
    """SGD learning rate; the winners' is 5e-4."""
    epochs: Annotated[int, Int(1, 10, least=1)] = 3
    """Passes over the chosen share of the retain set; rounding comes after the last."""
    pruned: Annotated[float, Float(0.5, 0.99)] = 0.99
    """Share of the weights that is redrawn."""
    batch_size: int = 64
    """Examples per step."""
    # A mask makes no sense: weights that are drawn anew do not keep their values.
    mask: ClassVar[str] = "none"  # type: ignore[misc]
    mask_share: ClassVar[float] = 1.0  # type: ignore[misc]

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch; only the last counts."""
        import torch

        model, teacher = problem.model, problem.original()
        redraw_smallest(model, self.pruned, problem.rng)
        optimizer = self.optimizer(model)
        counts = problem.retain.labels().bincount(minlength=problem.classes)
        weights = counts.float().clamp(min=1) ** -0.1
        for epoch in self.epochs_of(model):
            for x, y in self.retain_batches(problem):
                with torch.no_grad():
                    target = entropy(teacher(x))
                descend(optimizer, lambda: matching_loss(model(x), y, weights, target))
            if epoch == self.epochs - 1:
                round_to_half(model)
            yield


def matching_loss(logits: Tensor, labels: Tensor, weights: Tensor, target: Tensor) -> Tensor:
    """Add CE with class weights (classes,) and the mean squared distance of entropies (N,) from their target."""
    import torch

    loss = torch.nn.functional.cross_entropy(logits, labels, weights.to(logits))
    return loss + (entropy(logits) - target).square().mean()


def redraw_smallest(model: nn.Module, share: float, rng: torch.Generator) -> None:
    """Redraw the smallest `share` of the trainable weights of convolutions and linear layers; biases become 0."""
    import torch
    from torch import nn

    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    layers = [m for m in layers if m.weight.requires_grad]
    weights = [p for m in layers for p in (m.weight, m.bias) if p is not None]
    with torch.no_grad():
        for weight, small in zip(
            weights, top_mask([-w.abs() for w in weights], share), strict=True
        ):
            bound = weight[0].numel() ** -0.5 if weight.dim() > 1 else 0.0
            drawn = bound * (2 * torch.rand(weight.shape, generator=rng) - 1)
            weight.copy_(torch.where(small, drawn.to(weight), weight))


def round_to_half(model: nn.Module) -> None:
    """Round weights and statistics to half precision and keep their type; what overflows stays finite."""
    import torch

    most = torch.finfo(torch.float16).max
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(tensor.clamp(-most, most).half())
