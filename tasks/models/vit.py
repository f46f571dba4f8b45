"""A small vision transformer (Dosovitskiy et al., 2021) for images of 4 to a few dozen pixels.

Its layers are plain linear ones: those of torch.nn.MultiheadAttention hide from hooks, which some methods read
layers by, and the fused attention of torch has no second derivative, which influence functions need.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.models.network import Network
from tasks.recipe import Recipe

DIM, DEPTH, HEADS = 64, 4, 4
"""Width of a token, number of blocks, and attention heads of each."""
GRID = 8
"""Patches along the shorter side of a large image; a patch is at least 2 pixels wide."""


class Embedding(nn.Module):
    """Images (N, C, H, W) to tokens (N, T, DIM): a linear map of each patch, and its place."""

    def __init__(self, channels: int, sides: tuple[int, int]) -> None:
        super().__init__()
        patch = max(2, round(min(sides) / GRID))
        tokens = (sides[0] // patch) * (sides[1] // patch)
        self.patches = nn.Conv2d(channels, DIM, patch, stride=patch)
        self.places = nn.Parameter(torch.zeros(1, tokens, DIM))

    def forward(self, x: Tensor) -> Tensor:
        return self.patches(x).flatten(2).transpose(1, 2) + self.places


class Block(nn.Module):
    """Tokens (N, T, DIM) to tokens: attention and a perceptron, each behind a LayerNorm and beside a residual."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(DIM), nn.LayerNorm(DIM)
        self.qkv = nn.Linear(DIM, 3 * DIM)
        self.mix = nn.Linear(DIM, DIM)
        self.up, self.down = nn.Linear(DIM, 2 * DIM), nn.Linear(2 * DIM, DIM)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.mix(self._attend(self.norm1(x)))
        return x + self.down(F.gelu(self.up(self.norm2(x))))

    def _attend(self, x: Tensor) -> Tensor:
        count, tokens, _ = x.shape
        q, k, v = self.qkv(x).view(count, tokens, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1)
        return (weights @ v).transpose(1, 2).reshape(count, tokens, DIM)


class ViT(Network):
    """Images (N, C, H, W) of the size that it is built for, to logits: the head reads the mean of the tokens."""

    recipe = Recipe(epochs=40, batch_size=64, lr=0.05, weight_decay=5e-4, warmup=0.25)

    def __init__(self, channels: int, classes: int, sides: tuple[int, int] = (32, 32)) -> None:
        super().__init__()
        self.embedding = Embedding(channels, sides)
        self.blocks = nn.Sequential(*(Block() for _ in range(DEPTH)))
        self.norm = nn.LayerNorm(DIM)
        self.head = nn.Linear(DIM, classes)

    def logits(self, x: Tensor) -> Tensor:
        """Map images (N, C, H, W) to logits (N, classes)."""
        return self.head(self.norm(self.blocks(self.embedding(x))).mean(1))

    @torch.no_grad()
    def draw(self, layers: Iterable[nn.Module], rng: torch.Generator) -> None:
        """Fill layers: Xavier for matrices, a small normal for the places, LayerNorm as new."""
        for module in layers:
            if isinstance(module, nn.Conv2d | nn.Linear):
                drawn = torch.empty(module.weight.shape)
                nn.init.xavier_uniform_(drawn.flatten(1), generator=rng)
                module.weight.copy_(drawn)
                assert module.bias is not None
                module.bias.zero_()
            elif isinstance(module, nn.LayerNorm):
                module.reset_parameters()
            elif isinstance(module, Embedding):
                drawn = torch.empty(module.places.shape)
                module.places.copy_(nn.init.normal_(drawn, std=0.02, generator=rng))
