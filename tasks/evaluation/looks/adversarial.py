"""Is an unlearned model easier to deceive than a retrained one?

Steps are of pixels, ε in units of the whole range from black to white; the images stay within it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from tasks.evaluation.looks.images import SEED, are_right, read_batch, take_retained
from tasks.evaluation.metric import metric
from tasks.evaluation.outputs import Evaluation

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

    from tasks.datasets.splits import Split
    from tasks.models.network import Network

EPSILON = 2 / 255
"""At 8/255 every model without a defence has an accuracy near 0."""
STEPS = 20
MOST = 500
"""Test images of retained classes."""


@metric(half="test", best=0.0, unit="difference", needs="model")
def fgsm_gap(evaluation: Evaluation) -> float | None:
    """Measure how many more images withstand one signed gradient step of 2/255 than with the references.

    Of test images of retained classes that both models get right. Range [−1, 1]; ideal 0, below it easier
    to deceive than a retrain. Needs references. Source: Goodfellow et al., 2015.
    """
    return _gap(evaluation, steps=1)


@metric(half="test", best=0.0, unit="difference", needs="model")
def pgd_gap(evaluation: Evaluation) -> float | None:
    """Measure fgsm_gap with 20 projected gradient steps, from a random start (Madry et al., 2018)."""
    return _gap(evaluation, steps=STEPS)


def attack(
    model: nn.Module, x: Tensor, y: Tensor, eps: Tensor, *, bounds: tuple[Tensor, Tensor], steps: int, rng: Generator,
) -> Tensor:  # fmt: skip
    """Raise the cross-entropy of images x (N, C, H, W) within `eps` of them, and within `bounds`.

    `eps` and `bounds` (1, C, 1, 1) are in units of x. One step is FGSM; more are PGD with steps of ε / 4
    from a random start. Gives images; the model's own gradients are not touched.
    """
    import torch
    from torch.nn import functional as F

    low, high = bounds
    shift = torch.zeros_like(x)
    if steps > 1:
        shift = (2 * torch.rand(x.shape, generator=rng).to(x) - 1) * eps
    for _ in range(steps):
        shift = ((x + shift).clamp(low, high) - x).requires_grad_()
        with torch.enable_grad():
            loss = F.cross_entropy(model(x + shift), y, reduction="sum")
            (slope,) = torch.autograd.grad(loss, shift)
        moved = shift.detach() + (eps / 4 if steps > 1 else eps) * slope.sign()
        shift = moved.clamp(-eps, eps)
    return (x + shift).clamp(low, high)


def compare_robustness(
    evaluation: Evaluation, name: str, withstand: Callable[[Network, Split], np.ndarray], most: int
) -> float | None:
    """Return the share of images that withstand the attack `name`, less that of the references; None without any.

    `withstand` tells which images (2, N) a model gets right, and which still under attack. Up to `most` test
    images of retained classes are attacked; those count that both models get right.
    """
    inside = evaluation.inside
    if inside is None or not inside.others:
        return None
    split = take_retained(evaluation, most)
    own = withstand(inside.model, split)
    gaps = []
    for right, robust in inside.see_references(name, lambda model: withstand(model, split)):
        both = own[0] & right
        if both.any():
            gaps.append(own[1][both].mean() - robust[both].mean())
    return float(np.mean(gaps)) if gaps else None


def _gap(evaluation: Evaluation, steps: int) -> float | None:
    return compare_robustness(
        evaluation, f"attack_{steps}", lambda model, split: _withstand(model, split, steps), MOST
    )


def _withstand(model: Network, split: Split, steps: int) -> np.ndarray:
    """Tell which images (2, N) a model gets right, and which still under attack."""
    import torch

    rng, (x, y) = torch.Generator().manual_seed(SEED), read_batch(split)
    low, high = split.pixel_range
    was_training = model.training
    model.eval()
    eps = EPSILON * (high - low)
    attacked = [
        attack(model, a, b, eps, bounds=(low, high), steps=steps, rng=rng)
        for a, b in zip(x.split(250), y.split(250), strict=True)
    ]
    model.train(was_training)
    return np.stack([are_right(model, x, y), are_right(model, torch.cat(attacked), y)])
