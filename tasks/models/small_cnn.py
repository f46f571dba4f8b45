"""A small convolutional network for 8x8 digits: trains in seconds on one core."""

from __future__ import annotations

from torch import Tensor, nn

from tasks.models.network import Network
from tasks.recipe import Recipe


class SmallCNN(Network):
    """Images (N, C, H, W) of any size from 4x4 up to logits."""

    recipe = Recipe(epochs=20, batch_size=64, lr=0.1, weight_decay=5e-4)
    autocast = False  # kernels this small lose more to conversions than they gain

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, 16, 3, padding=1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 32, 3, padding=1, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
        )
        self.head = nn.Linear(32 * 4, classes)

    def logits(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).flatten(1))
