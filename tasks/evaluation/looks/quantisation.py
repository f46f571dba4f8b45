"""Does rounding the weights bring forgotten knowledge back? It undoes what moved them by less than a step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.evaluation.looks.images import SEED, read_batch, share_right
from tasks.evaluation.metric import metric
from tasks.evaluation.outputs import Evaluation

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.models.network import Network

MOST = 2_000
"""Forgotten examples that are judged."""


@metric(half="none", best=0.0, unit="difference", needs="model")
def quantised_8_bit_gap(evaluation: Evaluation) -> float | None:
    """Measure the accuracy on the forget set that rounding weights to 8 bits brings back, beyond the references'.

    To the nearest step, symmetric, for each output channel of convolutions and linear layers. Range
    [−2, 2], ideal 0; above it knowledge comes back. Needs references. Source: Zhang et al., 2025.
    """
    return _gap(evaluation, 8)


@metric(half="none", best=0.0, unit="difference", needs="model")
def quantised_4_bit_gap(evaluation: Evaluation) -> float | None:
    """Measure quantised_8_bit_gap with 4 bits."""
    return _gap(evaluation, 4)


@metric(half="none", best=0.0, unit="difference", needs="model")
def quantised_3_bit_gap(evaluation: Evaluation) -> float | None:
    """Measure quantised_8_bit_gap with 3 bits."""
    return _gap(evaluation, 3)


def quantise(weight: Tensor, bits: int) -> Tensor:
    """Round weights (O, …) to 2^bits − 1 steps, symmetric about 0, for each output channel.

    s = max |w| / (2^(bits−1) − 1); w ← s · round(w / s), which moves no weight by more than s / 2.
    """
    flat = weight.flatten(1)
    step = flat.abs().amax(1, keepdim=True) / (2 ** (bits - 1) - 1)
    rounded = (flat / step.clamp_min(1e-30)).round() * step
    return rounded.view_as(weight)


def quantise_model(model: Network, bits: int) -> None:
    """Round the weights of every convolution and linear layer of `model` in place."""
    import torch
    from torch import nn

    with torch.no_grad():
        for layer in model.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                layer.weight.copy_(quantise(layer.weight, bits))


def _gap(evaluation: Evaluation, bits: int) -> float | None:
    import torch

    inside = evaluation.inside
    if inside is None:
        return None
    x, y = read_batch(inside.forget.subset(MOST, torch.Generator().manual_seed(SEED)))

    def recovery(model: Network) -> float:
        rounded = inside.copy(model)
        quantise_model(rounded, bits)
        return share_right(rounded, x, y) - share_right(model, x, y)

    return inside.measure_gap(f"quantised_{bits}", recovery)
