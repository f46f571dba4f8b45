"""A ResNet-9 that is meant to memorise: on a random forget set, a model that generalises has little to forget."""

from __future__ import annotations

from tasks.models.resnet9 import ResNet9
from tasks.recipe import Recipe


class LongResNet9(ResNet9):
    """ResNet-9, trained three times as long, with weak decay and without label smoothing.

    Trained on 5,000 images of CIFAR-10 at width .25, it is right on .85 of them and on .69 of held-out
    ones, where ResNet9 is right on .67 and .61: the AUC of an attack on the log odds of the label is
    .596 instead of .533. On all 50,000 images both gaps are smaller; a sweep says whether there is
    anything to forget.
    """

    recipe = Recipe(
        epochs=24, batch_size=500, lr=0.75, momentum=0.85, weight_decay=5e-4, bias_factor=64.0, lookahead=True,
    )  # fmt: skip
