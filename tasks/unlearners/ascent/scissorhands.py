"""Scissorhands (Wu and Harandi, 2024, "Scissorhands: Scrub data influence via connection sensitivity in
networks", ECCV).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float, Int
from tasks.unlearners.base import Passes, cross_entropy, trainable
from tasks.unlearners.forget_alone import ForgetAlone
from tasks.unlearners.steps.blocks import last_blocks
from tasks.unlearners.steps.gradients import (
    flat_gradient,
    kept_in_mind,
    read_gradient,
    set_gradient,
)
from tasks.unlearners.steps.importance import batch_gradients
from tasks.unlearners.steps.masks import top_mask
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from tasks.models.network import Network
    from tasks.problem import Problem


@dataclass(frozen=True)
class Scissorhands(ForgetAlone):
    """Draw anew what the forget set is most sensitive to, then repair without going back (Wu and Harandi, 2024).

    The highest |θ · ∇CE(forget batch)| of all weights are drawn anew where they lie in the last blocks. Then steps
    along g = ∇(CE(retain) − λ CE(forget)), in whose last blocks g ← g + v·m wherever g·m < 0: m = −∇CE(forget batch)
    at the start of the epoch in evaluation mode, v = max(½, −g·m/(‖m‖² + .001)). The retain set ends an epoch, alone
    once the forget set is used up. BatchNorm keeps its weights in the draw.
    """

    verified: ClassVar[Verified] = Verified(
        "authors' code, JingWu321/Scissorhands",
        (
            "what is kept in mind is the least of the quadratic program",
            "scissorhands guards what it forgot",
        ),
    )
    passes: ClassVar[Passes] = Passes(retain=1, beside_once=1, forget_batches=1)
    preparation: ClassVar[Passes] = Passes(forget_batches=1)

    lr: Annotated[float, Float(2e-3, 3e-2, log=True, above=0)] = 5e-3
    """SGD learning rate."""
    retain_share: Annotated[float, Float(0.2, 1.0, log=True, above=0, most=1)] = 1.0
    """Share of the retain set visited in an epoch, drawn anew each time; too few steps repair nothing."""
    kept: Annotated[float, Float(0.8, 0.99)] = 0.97
    """Share of the weights below the cut: those above are drawn anew."""
    forget_weight: Annotated[float, Float(1e-3, 0.3, log=True, least=0)] = 0.05
    """Weight λ of the ascent on the forget set."""
    blocks: Annotated[int, Int(1, 4, least=1)] = 2
    """Blocks before the head that are drawn anew and guarded; the authors take 4 of a ResNet-18."""
    batch_size: int = 64
    """Examples per step, of each set, and of the forget set to find what is sensitive; the authors' is 256."""
    # A mask makes no sense: weights that are drawn anew do not keep their values.
    mask: ClassVar[str] = "none"  # type: ignore[misc]
    mask_share: ClassVar[float] = 1.0  # type: ignore[misc]
    # Its steps are along a projected gradient, not the gradient of a loss.
    sam: ClassVar[float] = 0.0  # type: ignore[misc]

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch."""
        model, optimizer = problem.model, self.optimizer(problem.model)
        last = last_blocks(model, self.blocks)
        guarded = [p for module in last for p in module.parameters() if p.requires_grad]
        model.eval()
        gradients = next(batch_gradients(model, self.forget_batches(problem)))
        redraw_sensitive(model, last, gradients, 1 - self.kept, problem.rng)
        for _ in range(self.epochs):
            model.eval()
            x, y = next(self.forget_batches(problem))
            memory = flat_gradient(-cross_entropy(model(x), y), guarded)
            model.train()
            forget = self.forget_batches(problem)
            for x, y in self.retain_batches(problem):
                optimizer.zero_grad()
                cross_entropy(model(x), y).backward()
                if (beside := next(forget, None)) is not None:
                    with self.forget_pass(model):
                        loss = cross_entropy(model(beside[0]), beside[1])
                    (-self.forget_weight * loss).backward()
                    set_gradient(guarded, kept_in_mind(read_gradient(guarded), memory))
                optimizer.step()
            yield


def redraw_sensitive(
    model: Network,
    parts: Sequence[nn.Module],
    gradients: Sequence[Tensor],
    share: float,
    rng: torch.Generator,
) -> None:
    """Draw the `share` of all weights with the highest |θ · gradient| anew, those in `parts` alone.

    Weights of convolutions and linear layers: uniformly in ±1/√fan-in, as torch draws them; biases: zero.
    """
    import torch
    from torch import nn

    from tasks.datasets.splits import send_to_device

    weights = trainable(model)
    scores = [(w.detach() * g).abs() for w, g in zip(weights, gradients, strict=True)]
    marked: dict[Tensor, Tensor] = dict(zip(weights, top_mask(scores, share), strict=True))
    layers = (m for part in parts for m in part.modules() if isinstance(m, nn.Conv2d | nn.Linear))
    with torch.no_grad():
        for layer in layers:
            bound = layer.weight[0].numel() ** -0.5
            drawn = torch.empty(layer.weight.shape).uniform_(-bound, bound, generator=rng)
            if layer.weight in marked:
                fresh = send_to_device(drawn, layer.weight.device)
                layer.weight.copy_(torch.where(marked[layer.weight], fresh, layer.weight))
            if layer.bias is not None and layer.bias in marked:
                layer.bias.masked_fill_(marked[layer.bias], 0.0)
