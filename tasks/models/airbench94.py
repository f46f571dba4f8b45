"""The network and the recipe of airbench94 (Jordan, 2024, arXiv:2404.00498): 94 % on CIFAR-10 in seconds.

A ResNet9 without residuals, and with a wider second group. The paper gives the widths, ten epochs, the
batch size, the label smoothing and the learning rate. Its losses are sums, ours are means over a batch of
1,024. So the learning rate is 11.5 / (1 + 1 / (1 - .85)) = 1.5, and the weight decay .0153 / 11.5.
Our training loop leaves out three details: the bias of the whitening layer, the alternating mirroring of
images, and the paper's initial and final learning rate.
"""

from __future__ import annotations

from tasks.models.resnet9 import ResNet9
from tasks.recipe import Recipe


class Airbench94(ResNet9):
    """Images (N, 3, 32, 32) to logits; `width` scales every group's channels."""

    recipe = Recipe(
        epochs=10, batch_size=1024, lr=1.5, momentum=0.85, weight_decay=1.33e-3, warmup=0.23,
        label_smoothing=0.2, bias_factor=64.0, lookahead=True,
    )  # fmt: skip
    channels = (64, 256, 256)
    residual = False
