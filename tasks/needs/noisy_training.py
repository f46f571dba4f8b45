"""Projected noisy gradient descent (Chien et al., 2024, "Langevin unlearning", NeurIPS, eq. 1), with minibatches as in
their next paper (Chien et al., 2024, "Certified machine unlearning via noisy stochastic gradient descent", NeurIPS).

All that decides the weights stands here, because the key of what is cached holds the source of this file.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

from tasks.errors import InvalidValue
from tasks.needs.base import Need, Origin, State, copy_state

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from tasks.datasets.splits import Split
    from tasks.models.network import Network

LEARNED = "model"
"""Name of the trained state; see `pick_state`."""
MOST_NUMBERS = 2**25
"""Numbers of the gradients of single examples that are kept at once: 128 MiB in float32."""


class NoisyTraining(Need):
    """A model trained by noisy steps along clipped gradients, its weights kept within a ball.

    w ← Π_R(w − η·mean_i clip(∇ℓ_i(w), M) + √(2ησ²)·N(0, I)), for the epochs of the model's recipe, from fresh weights.
    BatchNorm stays in evaluation mode with its first statistics, mean 0 and variance 1: it is a scale and a shift, each
    example has a gradient of its own, and no buffer holds anything of an image. Images are not augmented.
    """

    trainings: ClassVar[float] = 1.0
    lr: ClassVar[float] = 1.0
    """Learning rate η."""
    sigma: ClassVar[float] = 5e-3
    """Noise σ: a step adds √(2ησ²) to each weight."""
    clip: ClassVar[float] = 1.0
    """Norm M to which the gradient of each example is clipped."""
    radius: ClassVar[float] = 100.0
    """Norm R within which all weights together are kept."""
    batch_size: ClassVar[int] = 64
    """Examples per step."""

    def prepare(self, origin: Origin) -> Generator[None, None, State]:
        """Return the state `model`."""
        from tasks.training import INITIALISATION_IMAGES

        model, rng, everything = origin.make_model(), origin.generator(), origin.everything()
        model.initialise(everything.sample(INITIALISATION_IMAGES, rng), rng)
        for _ in range(model.recipe.epochs):
            self.run_epoch(model, everything, rng)
            yield
        return copy_state(model, LEARNED)

    def run_epoch(self, model: Network, split: Split, rng: torch.Generator) -> None:
        """Take a step for each batch of `split`."""
        model.eval()
        weights = [p for p in model.parameters() if p.requires_grad]
        for x, y in split.batches(self.batch_size, rng, augment=False):
            gradient = clip_and_average(model, x, y, self.clip)
            take_noisy_step(weights, gradient, self.lr, self.sigma, rng)
            project(weights, self.radius)


def take_noisy_step(
    weights: Sequence[Tensor],
    gradient: Iterable[Tensor],
    lr: float,
    sigma: float,
    rng: torch.Generator,
) -> None:
    """Move the weights in place: w ← w − η·g + √(2ησ²)·ξ, with ξ standard normal from `rng`."""
    import torch

    from tasks.unlearners.steps.noise import add_noise

    with torch.no_grad():
        for weight, slope in zip(weights, gradient, strict=True):
            weight.sub_(slope, alpha=lr)
    add_noise(weights, math.sqrt(2 * lr) * sigma, rng)


def project(weights: Sequence[Tensor], radius: float) -> None:
    """Move the weights, all together one vector, to the nearest point of the ball of this radius, in place."""
    import torch

    with torch.no_grad():
        norm = torch.stack([weight.norm() for weight in weights]).norm()
        for weight in weights:
            weight.mul_((radius / norm).clamp(max=1.0))


def clip_and_average(model: Network, x: Tensor, y: Tensor, clip: float) -> list[Tensor]:
    """Average the gradients of cross-entropy of single examples, each scaled down to at most the norm `clip`.

    `x` is (N, C, H, W), `y` (N,). Returns a tensor per trainable weight, in order. Few examples at a time are passed
    if the model is large: see MOST_NUMBERS.
    """
    import torch

    weights = [p for p in model.parameters() if p.requires_grad]
    total = [torch.zeros_like(weight) for weight in weights]
    size = max(1, MOST_NUMBERS // sum(p.numel() for p in weights))
    for images, labels in zip(x.split(size), y.split(size), strict=True):
        found = differentiate_examples(model, images, labels)
        each = [found[weight] for weight in weights]
        norms = torch.stack([g.flatten(1).norm(dim=1) for g in each]).norm(dim=0)
        scale = clip / norms.clamp(min=clip)
        for part, gradient in zip(total, each, strict=True):
            part += torch.tensordot(scale, gradient, dims=1) / len(x)
    return total


def differentiate_examples(model: Network, x: Tensor, y: Tensor) -> dict[Tensor, Tensor]:
    """Compute ∇CE of every example (N, …) by trainable weight, in one forward and one backward pass.

    What enters and leaves each layer suffices for that. A model in evaluation mode only. Raises InvalidValue for a
    layer that it cannot do.
    """
    import torch
    from torch.nn.functional import cross_entropy

    calls: list[tuple[nn.Module, Tensor, Tensor]] = []

    def record(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        calls.append((layer, inputs[0].detach(), output))
        return output.clone()  # an activation in place would change what was recorded

    own = [m for m in model.modules() if any(p.requires_grad for p in m.parameters(recurse=False))]
    hooks = [layer.register_forward_hook(record) for layer in own]
    try:
        loss = cross_entropy(model(x), y, reduction="sum")
    finally:
        for hook in hooks:
            hook.remove()
    slopes = torch.autograd.grad(loss, [output for *_, output in calls])
    found: dict[Tensor, Tensor] = {}
    for (layer, entered, _), slope in zip(calls, slopes, strict=True):
        for name, gradient in differentiate_layer(layer, entered, slope).items():
            weight = layer.get_parameter(name)
            found[weight] = found[weight] + gradient if weight in found else gradient
    return found


def differentiate_layer(layer: nn.Module, entered: Tensor, slope: Tensor) -> dict[str, Tensor]:
    """Compute the gradients of a layer's parameters for each example, (N, …).

    `entered` is what entered the layer, `slope` the gradient of the loss by what left it.
    """
    import torch
    from torch import nn
    from torch.nn import functional as F

    from tasks.unlearners.steps.layers import patches

    entered, slope = (t.to(next(layer.parameters()).dtype) for t in (entered, slope))
    if isinstance(layer, nn.Linear) and entered.ndim == 2:
        found = {"weight": slope[:, :, None] * entered[:, None, :], "bias": slope}
    elif isinstance(layer, nn.Conv2d) and layer.groups == 1:
        weight = torch.bmm(slope.flatten(2), patches(layer, entered).transpose(1, 2))
        weight = weight.view(len(slope), *layer.weight.shape)
        found = {"weight": weight, "bias": slope.sum((2, 3))}
    elif isinstance(layer, nn.BatchNorm2d) and not layer.training:
        plain = F.batch_norm(entered, layer.running_mean, layer.running_var, eps=layer.eps)
        found = {"weight": (slope * plain).sum((2, 3)), "bias": slope.sum((2, 3))}
    else:
        raise InvalidValue(
            f"gradients of single examples: not for {type(layer).__name__} as it is here; "
            "valid: Linear, Conv2d without groups, BatchNorm2d in evaluation mode"
        )
    wanted = {name for name, p in layer.named_parameters(recurse=False) if p.requires_grad}
    return {name: gradient for name, gradient in found.items() if name in wanted}
