"""AutoAttack, by the package pyautoattack: an attack without settings that a defence could have been tuned to.

Source: Croce and Hein, Reliable evaluation of adversarial robustness with an ensemble of diverse parameter-free
attacks, 2020. Of its four attacks the two that decide nearly every image are run: APGD on the cross-entropy, and
on the targeted difference of logits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tasks.evaluation.looks.adversarial import EPSILON, compare_robustness
from tasks.evaluation.looks.images import SEED, are_right, read_batch
from tasks.evaluation.metric import metric
from tasks.evaluation.outputs import Evaluation

if TYPE_CHECKING:
    from torch import Tensor, nn

    from tasks.datasets.splits import Split
    from tasks.models.network import Network

MOST = 128
"""Test images of retained classes: a minute or two a model on a CPU."""

LEAST_CLASSES = 4
"""The targeted loss compares the label's logit with those of the first, third and fourth class."""


@metric(half="test", best=0.0, unit="difference", needs="model", package="pyautoattack")
def autoattack_gap(evaluation: Evaluation) -> float | None:
    """Measure how many more images withstand AutoAttack within 2/255 than with the references.

    As fgsm_gap, of 128 images. Range [−1, 1]; ideal 0, below it easier to deceive than a retrain. It needs the
    package pyautoattack: `pip install 'unlearning-sweeps[robustness]'`. Null with fewer than four classes.
    """
    if evaluation.inside is None or evaluation.inside.test.classes < LEAST_CLASSES:
        return None
    return compare_robustness(evaluation, "autoattack", _withstand, MOST)


def attack_by_package(model: nn.Module, x: Tensor, y: Tensor, eps: float, classes: int) -> Tensor:
    """Attack images x (N, C, H, W) in [0, 1] within `eps`; `model` takes such images. Gives images."""
    from pyautoattack import AutoAttack

    attacks = ["apgd-ce", "apgd-t"]
    made = AutoAttack(
        model, norm="Linf", eps=eps, version="custom", attacks=attacks, device=x.device, seed=SEED
    )
    made.apgd.n_restarts = 1
    made.apgd_targeted.n_target_classes = min(9, classes - 1)
    attacked: Tensor
    attacked, _ = made.run_standard_evaluation(x.contiguous(), y, batch_size=MOST)
    return attacked


def _withstand(model: Network, split: Split) -> np.ndarray:
    """Tell which images (2, N) a model gets right, and which still under attack; its mode is restored."""
    import torch
    from torch import nn

    low, high = split.pixel_range
    x, y = read_batch(split)

    class OfPixels(nn.Module):
        """The model with what it reads normalised: ε is then of pixels."""

        def forward(self, pixels: Tensor) -> Tensor:
            logits: Tensor = model(low + pixels * (high - low))
            return logits

    was_training, wanted = model.training, [p.requires_grad for p in model.parameters()]
    model.eval()
    with torch.enable_grad():
        pixels = ((x - low) / (high - low)).clamp(0, 1)
        attacked = attack_by_package(OfPixels(), pixels, y, EPSILON, split.classes)
    model.train(was_training)
    for parameter, before in zip(model.parameters(), wanted, strict=True):
        parameter.requires_grad_(before)
        parameter.grad = None
    return np.stack([are_right(model, x, y), are_right(model, low + attacked * (high - low), y)])
