"""A ResNet-9 of the airbench family (Jordan, 2024, arXiv:2404.00498), with a width factor.

A frozen whitening convolution is followed by three groups of two convolutions. A residual bypasses the
second convolution of a group. Pooling inside the groups keeps the network fast. At width 1, the groups
have 64, 128 and 256 channels, which a CPU trains in minutes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.models.network import Network
from tasks.recipe import Recipe

WHITENING_EPS = 5e-4


def make_norm(channels: int) -> nn.BatchNorm2d:
    """Return a batch normalisation with a fixed scale of 1: the next layer scales anyway."""
    layer = nn.BatchNorm2d(channels, momentum=0.4)
    layer.weight.requires_grad_(False)
    return layer


class Group(nn.Module):
    """conv, pool, norm, GELU, then conv, norm, GELU, with or without a residual around the second three."""

    def __init__(self, channels_in: int, channels_out: int, residual: bool) -> None:
        super().__init__()
        self.residual = residual
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
        self.norm1 = make_norm(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.norm2 = make_norm(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.norm1(F.max_pool2d(self.conv1(x), 2)))
        y = F.gelu(self.norm2(self.conv2(x)))
        return x + y if self.residual else y


class ResNet9(Network):
    """Images (N, 3, 32, 32) to logits; `width` scales every group's channels."""

    recipe = Recipe(
        epochs=8, batch_size=500, lr=0.75, momentum=0.85, weight_decay=1.5e-3,
        label_smoothing=0.1, bias_factor=64.0, lookahead=True,
    )  # fmt: skip
    channels: ClassVar[tuple[int, ...]] = (64, 128, 256)
    """Channels of the groups at width 1."""
    residual: ClassVar[bool] = True

    def __init__(self, channels: int, classes: int, width: float = 1.0) -> None:
        super().__init__()
        widths = [max(8, round(width * base / 8) * 8) for base in self.channels]
        patch = channels * 4
        self.whiten = nn.Conv2d(channels, 2 * patch, 2, bias=False)
        self.whiten.weight.requires_grad_(False)
        inputs = [2 * patch, *widths[:-1]]
        sizes = zip(inputs, widths, strict=True)
        self.groups = nn.Sequential(*(Group(i, o, self.residual) for i, o in sizes))
        self.head = nn.Linear(widths[-1], classes, bias=False)

    def logits(self, x: Tensor) -> Tensor:
        """Map images (N, 3, 32, 32) to logits (N, classes)."""
        x = F.gelu(self.whiten(x))
        x = F.max_pool2d(self.groups(x), 3).flatten(1)
        return self.head(x) / 9

    @torch.no_grad()
    def initialise(self, images: Tensor, rng: torch.Generator) -> None:
        """Fill all layers as `draw` does; set the first layer to whiten 2x2 patches of `images`."""
        super().initialise(images, rng)
        self.whiten.weight.copy_(whitening_filters(images))

    @torch.no_grad()
    def draw(self, layers: Iterable[nn.Module], rng: torch.Generator) -> None:
        """Make the convolutions of the groups identity-like (Dirac) after the usual draw."""
        layers = list(layers)
        super().draw(layers, rng)
        for module in layers:
            if isinstance(module, nn.Conv2d) and module is not self.whiten:
                nn.init.dirac_(module.weight[: module.in_channels])


def whitening_filters(images: Tensor) -> Tensor:
    """Compute scaled principal directions of 2x2 patches and their negatives: (8C, C, 2, 2)."""
    channels = images.shape[1]
    patches = F.unfold(images.float().cpu(), 2).transpose(1, 2).reshape(-1, channels * 4)
    patches = patches - patches.mean(0)
    covariance = patches.T.double() @ patches.double() / len(patches)
    values, vectors = torch.linalg.eigh(covariance)
    filters = (vectors / (values + WHITENING_EPS).sqrt()).T.reshape(-1, channels, 2, 2).float()
    return torch.cat([filters, -filters])
