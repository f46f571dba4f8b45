"""Adversarial images. Sizes are in pixels scaled to [0, 1], whatever the normalisation of the images.

The gradient of an image costs a gradient sample, without the gradients of the weights: these are left alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.unlearners.descent import cross_entropy, trainable
from tasks.unlearners.steps.blocks import frozen_weights

if TYPE_CHECKING:
    from torch import Tensor, nn

PixelRange = tuple["Tensor", "Tensor"]
"""The normalised values of black and of white, (1, C, 1, 1): `Split.pixel_range`."""

SMALLEST_NORM = 1e-10
ATTEMPTS = 16
"""How often a radius is doubled: from 0.01 it passes the diagonal of 224×224 colour images."""


def fast_gradient_sign(
    model: nn.Module, x: Tensor, y: Tensor, radius: float, pixels: PixelRange
) -> Tensor:
    """Move each pixel by `radius` up the loss (Goodfellow et al., 2015), to a whole step of 1/255 in [0, 1]."""
    black, white = pixels
    u = (x - black) / (white - black)
    gradient, _ = differentiate(model, u, y, pixels)
    moved = u + radius * gradient.sign()
    return black + (white - black) * (moved.clamp(0, 1) * 255).round() / 255


def projected_gradient(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    radius: Tensor | float,
    step: Tensor | float,
    steps: int,
    pixels: PixelRange,
    targeted: bool = False,
) -> Tensor:
    """Take `steps` of length `step` up the loss of labels `y`, or down it if these are `targeted`.

    After each, go back into the ball of an L2 `radius` around the image and into [0, 1] (Madry et al., 2018).
    """
    black, white = pixels
    start = (x - black) / (white - black)
    u = start
    for _ in range(steps):
        gradient, _ = differentiate(model, u, y, pixels)
        along = -gradient if targeted else gradient
        change = u + step * along / norms(along).clamp(min=SMALLEST_NORM) - start
        change = change * (radius / norms(change).clamp(min=SMALLEST_NORM)).clamp(max=1)
        u = (start + change).clamp(0, 1)
    return black + (white - black) * u


def nearest_adversary(
    model: nn.Module, x: Tensor, y: Tensor, *, radius: float, steps: int, pixels: PixelRange
) -> tuple[Tensor, Tensor, Tensor]:
    """Double the L2 radius of an attack until the prediction is not `y` any more, for each image by itself.

    An attack takes up to `steps` steps of a tenth of its radius, each attack from where the last ended.
    Returns images, their predictions, equal to `y` where no radius did, and the radii (N,).
    """
    import torch

    black, white = pixels
    start = (x - black) / (white - black)
    u, radii = start.clone(), torch.full_like(y, radius, dtype=x.dtype)
    predicted, left = y.clone(), torch.arange(len(y), device=y.device)
    for number in range(ATTEMPTS * steps + 1):
        gradient, logits = differentiate(model, u[left], y[left], pixels)
        predicted[left] = logits.argmax(1)
        still = predicted[left] == y[left]
        left, gradient = left[still], gradient[still]
        if not len(left) or number == ATTEMPTS * steps:
            break
        if number and number % steps == 0:
            radii[left] *= 2
        reach = radii[left].view(-1, 1, 1, 1)
        change = u[left] + reach / 10 * gradient / norms(gradient).clamp(min=SMALLEST_NORM)
        change = change - start[left]
        change = change * (reach / norms(change).clamp(min=SMALLEST_NORM)).clamp(max=1)
        u[left] = (start[left] + change).clamp(0, 1)
    return black + (white - black) * u, predicted, radii


def differentiate(
    model: nn.Module, u: Tensor, y: Tensor, pixels: PixelRange
) -> tuple[Tensor, Tensor]:
    """Differentiate each image's loss with respect to pixels `u` in [0, 1]: one gradient sample an image.

    Returns the gradient, of the shape of `u`, and the logits.
    """
    import torch

    black, white = pixels
    images = (black + (white - black) * u).requires_grad_()
    with frozen_weights(
        trainable(model)
    ):  # so that their gradients are neither computed nor counted
        logits = model(images)
        (gradient,) = torch.autograd.grad(cross_entropy(logits, y) * len(y), images)
    return gradient * (white - black), logits.detach()


def norms(images: Tensor) -> Tensor:
    """Compute the Euclidean norm of each image, (N, 1, 1, 1)."""
    return images.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
