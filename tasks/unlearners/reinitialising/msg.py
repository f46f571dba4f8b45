"""Masked small gradients: the second solution of the unlearning competition of NeurIPS 2023 (Triantafillou et al.,
2024, "Are we making progress in unlearning?"), as Cadet et al. (2024, "Deep Unlearn") name and port it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float, Int
from tasks.unlearners.base import Passes, SGDUnlearner, cross_entropy
from tasks.unlearners.steps.blocks import convolutions
from tasks.unlearners.steps.masks import scale_gradients, top_mask
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from tasks.models.network import Network
    from tasks.problem import Problem

SLOWED = 0.1
"""Factor on the gradients of convolution weights that are not drawn anew."""


@dataclass(frozen=True)
class MaskedSmallGradients(SGDUnlearner):
    """Draw convolution weights anew that both sets agree on, and train mostly these (Triantafillou et al., 2024).

    G = ∇ Σ CE(retain sample of the forget set's size) − ∇ Σ CE(forget), over batches, in evaluation mode. In each
    convolution the `share` of weights with the smallest |G| is drawn anew (He et al., 2015, fan-out); then SGD on
    the retain set, where the gradients of the other convolution weights count a tenth. The learning rate rises in
    the first half of the epochs and falls in the second.
    """

    verified: ClassVar[Verified] = Verified(
        "a port, xcadet/deepunlearn",
        (
            "msg draws the weights anew whose gradients differ least",
            "msg moves what it did not draw a tenth as far",
        ),
    )
    anytime: ClassVar[bool] = False
    changes_convolutions: ClassVar[bool] = True
    passes: ClassVar[Passes] = Passes(retain=1)
    preparation: ClassVar[Passes] = Passes(forget=2, steps=False)

    lr: Annotated[float, Float(1e-3, 2e-1, log=True, above=0)] = 3e-2
    """SGD learning rate in the middle of the epochs; the competition's was 1e-3."""
    epochs: Annotated[int, Int(1, 10, least=1)] = 5
    """Passes over the chosen share of the retain set; the learning rate's schedule depends on it."""
    share: Annotated[float, Float(0.05, 0.6)] = 0.3
    """Share of each convolution's weights that is drawn anew."""
    batch_size: int = 64
    """Examples per step."""
    # A mask makes no sense: weights that are drawn anew do not keep their values.
    mask: ClassVar[str] = "none"  # type: ignore[misc]
    mask_share: ClassVar[float] = 1.0  # type: ignore[misc]

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch; only the last counts."""
        model = problem.model
        layers = convolutions(model)
        difference = self.gradient_difference(problem, layers)
        fresh = [top_mask([-g.abs()], self.share)[0] for g in difference]
        for layer, mask in zip(layers, fresh, strict=True):
            redraw(layer, mask, problem.rng)
        factors = [mask + SLOWED * ~mask for mask in fresh]
        optimizer = self.optimizer(model)
        for epoch in self.epochs_of(model):
            optimizer.param_groups[0]["lr"] = self.lr * triangle(epoch, self.epochs)
            for x, y in self.retain_batches(problem):
                optimizer.move(lambda: scaled_gradients(model, x, y, layers, factors))
            yield

    def gradient_difference(self, problem: Problem, layers: list[nn.Conv2d]) -> list[Tensor]:
        """Sum the gradients of a retain sample's batches, less those of the forget set's, by layer."""
        import torch

        weights = [layer.weight for layer in layers]
        sample = problem.retain.subset(len(problem.forget), problem.rng)
        total = [torch.zeros_like(w) for w in weights]
        problem.model.eval()
        for split, sign in ((sample, 1), (problem.forget, -1)):
            for x, y in split.batches(self.batch_size, problem.rng):
                loss = cross_entropy(problem.model(x), y)
                for part, gradient in zip(total, torch.autograd.grad(loss, weights), strict=True):
                    part.add_(gradient, alpha=sign)
        return total


def scaled_gradients(
    model: Network, x: Tensor, y: Tensor, layers: Sequence[nn.Conv2d], factors: Sequence[Tensor]
) -> None:
    """Take the gradients of CE on a batch; those of the weights of `layers` times `factors`."""
    cross_entropy(model(x), y).backward()
    scale_gradients([layer.weight for layer in layers], factors)


def redraw(layer: nn.Conv2d, mask: Tensor, rng: torch.Generator) -> None:
    """Draw the marked weights of `layer` anew: normal, of variance 2 / fan-out."""
    import torch

    from tasks.datasets.splits import send_to_device

    drawn = torch.empty(layer.weight.shape)
    torch.nn.init.kaiming_normal_(drawn, mode="fan_out", nonlinearity="relu", generator=rng)
    with torch.no_grad():
        layer.weight.copy_(
            torch.where(mask, send_to_device(drawn, layer.weight.device), layer.weight)
        )


def triangle(epoch: int, epochs: int) -> float:
    """Give the factor of the learning rate in `epoch` (from 0): up to 1 in the middle, then down."""
    top = (epochs + 1) // 2
    if epoch < top:
        return (epoch + 1) / top
    return (epochs - epoch) / (epochs + 1 - top)
