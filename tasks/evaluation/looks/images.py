"""The images that looks read, and what a model makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tasks.evaluation.outputs import Evaluation
from tasks.evaluation.samples import sample_of

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.datasets.splits import Split
    from tasks.models.network import Network

SEED = 0


def take_forgotten(evaluation: Evaluation, most: int) -> list[Split]:
    """Take the reported half of the forget set, and test images of forgotten classes: `most` of either."""
    import torch

    inside, sample = evaluation.inside, sample_of(evaluation, "test")
    assert inside is not None
    parts = (inside.forget, sample.forgotten), (inside.test, sample.kin)
    return [
        split.at(torch.from_numpy(_draw(positions, most)))
        for split, positions in parts
        if len(positions)
    ]


def take_retained(evaluation: Evaluation, most: int) -> Split:
    """Take `most` test images of retained classes."""
    import torch

    assert evaluation.inside is not None
    kept = ~np.isin(evaluation.test.labels, evaluation.unretained_classes)
    return evaluation.inside.test.at(torch.from_numpy(_draw(np.flatnonzero(kept), most)))


def read_features(model: Network, split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Read what enters the head, float32 (N, D), and the labels (N,), in evaluation mode."""
    import torch

    was_training = model.training
    model.eval()
    with torch.inference_mode():
        batches = [(model.features_and_logits(x)[0].cpu(), y.cpu()) for x, y in split.ordered()]
    model.train(was_training)
    features, labels = (torch.cat(part).numpy() for part in zip(*batches, strict=True))
    return features, labels


def read_batch(split: Split) -> tuple[Tensor, Tensor]:
    """Read all images (N, C, H, W), normalised, and labels (N,) of a small split at once."""
    import torch

    images, labels = zip(*split.ordered(), strict=True)
    return torch.cat(images), torch.cat(labels)


def share_right(model: Network, x: Tensor, y: Tensor) -> float:
    """Measure the accuracy on images (N, C, H, W) and labels (N,), in evaluation mode."""
    return float(are_right(model, x, y).mean())


def are_right(model: Network, x: Tensor, y: Tensor, batch: int = 250) -> np.ndarray:
    """Tell which images (N, C, H, W) a model gets right, bool (N,); its mode is restored."""
    import torch

    was_training = model.training
    model.eval()
    with torch.inference_mode():
        found = torch.cat([model(part).argmax(1) for part in x.split(batch)])
    model.train(was_training)
    return (found == y).cpu().numpy()


def _draw(positions: np.ndarray, most: int) -> np.ndarray:
    """Draw up to `most` of them, the same for every model."""
    return np.sort(np.random.default_rng(SEED).permutation(positions)[:most])
