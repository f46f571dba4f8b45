"""Does a model that unlearned stand changes of the images as well as a retrained one?"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from tasks.evaluation.looks.corruptions import SEVERITIES, corrupt, list_corruptions
from tasks.evaluation.looks.images import read_batch, share_right, take_retained
from tasks.evaluation.metric import metric
from tasks.evaluation.outputs import Evaluation

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.datasets.splits import Split
    from tasks.models.network import Network

MOST = 500
"""Test images of retained classes; each is seen corrupted in up to ten kinds at five severities."""


@metric(half="test", best=0.0, unit="difference", needs="model")
def corruption_gap(evaluation: Evaluation) -> float | None:
    """Measure how much more accurate than the references the model is on corrupted images.

    The mean over CIFAR-10-C's kinds and five severities, on test images of retained classes. Range [−1, 1],
    ideal 0; below it, less robust than a retrain. Needs references. Source: Hendrycks and Dietterich, 2019.
    """
    return _gap(evaluation, SEVERITIES)


@metric(half="test", best=0.0, unit="difference", needs="model")
def worst_corruption_gap(evaluation: Evaluation) -> float | None:
    """Measure corruption_gap at severity 5 alone."""
    return _gap(evaluation, SEVERITIES[-1:])


Accuracies = dict[tuple[str, int], float]
"""By kind of corruption and severity."""


def accuracy_by_kind(model: Network, split: Split) -> Accuracies:
    """Measure the accuracy on a split under each kind of corruption, at each severity."""
    import torch

    x, y = read_batch(split)
    pixels = _to_pixels(x, split)
    found = {}
    for name in list_corruptions(x.shape[-1]):
        for severity in SEVERITIES:
            changed = torch.from_numpy(corrupt(name, pixels, severity)).to(x.device)
            found[name, severity] = share_right(model, _to_model(changed, split), y)
    return found


def _gap(evaluation: Evaluation, severities: tuple[int, ...]) -> float | None:
    own, theirs = _compare(evaluation)
    if not theirs:
        return None

    def mean(found: Accuracies) -> float:
        return float(np.mean([v for (_, severity), v in found.items() if severity in severities]))

    return mean(own) - float(np.mean([mean(each) for each in theirs]))


@functools.lru_cache(maxsize=1)  # two metrics of one model read the same
def _compare(evaluation: Evaluation) -> tuple[Accuracies, list[Accuracies]]:
    """Measure the model and the references under every corruption."""
    inside = evaluation.inside
    if inside is None or not inside.others:
        return {}, []
    split = take_retained(evaluation, MOST)

    def look(model: Network) -> Accuracies:
        return accuracy_by_kind(model, split)

    return look(inside.model), inside.see_references("corruptions", look)


def _to_pixels(x: Tensor, split: Split) -> np.ndarray:
    low, high = split.pixel_range
    pixels: np.ndarray = ((x - low) / (high - low) * 255).round().byte().cpu().numpy()
    return np.ascontiguousarray(pixels)


def _to_model(pixels: Tensor, split: Split) -> Tensor:
    import torch

    low, high = split.pixel_range
    found = pixels.float() / 255 * (high - low) + low
    return found.to(memory_format=torch.channels_last)
