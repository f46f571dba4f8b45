"""A model that is meant to memorise: on a random forget set, a model that generalises has little to forget."""

from __future__ import annotations

from tasks.models.resnet9 import ResNet9
from tasks.recipe import Recipe


class LongResNet9(ResNet9):
    """ResNet-9, trained three times as long, with weak decay and without label smoothing."""

    recipe = Recipe(
        epochs=24, batch_size=500, lr=0.75, momentum=0.85, weight_decay=5e-4, bias_factor=64.0, lookahead=True,
    )  # fmt: skip
