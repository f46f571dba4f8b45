"""Problems of a few random images and models in float64, on which one step of a method can be written out."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from tasks.datasets.dataset import Augmentation, Dataset, LabelledImages
from tasks.datasets.splits import ResidentSource, Split
from tasks.models.network import Network
from tasks.problem import Problem

CLASSES = 3
RETAIN, FORGET = 12, 6
EVERYTHING = 1000
"""A batch size that makes each set one batch."""


class Linear(Network):
    """Logits of flat pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(16, CLASSES).double()

    def logits(self, x: Tensor) -> Tensor:
        return self.head(x.double().flatten(1))


class Convolutional(Network):
    """Two convolutions, the first with BatchNorm, a hidden layer and the head."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3)).double()
        self.second = nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False).double()
        self.hidden = nn.Linear(16, 5).double()
        self.head = nn.Linear(5, CLASSES).double()

    def logits(self, x: Tensor) -> Tensor:
        inside = self.second(torch.relu(self.first(x.double()))).flatten(1)
        return self.head(torch.tanh(self.hidden(torch.tanh(inside))))


def tiny_problem(
    network: Callable[[], Network] = Linear, seed: int = 0, classes: int = CLASSES
) -> Problem:
    """A problem whose model has drawn weights; the retain set holds the first `classes` classes alone."""
    rng = torch.Generator().manual_seed(17)
    count = RETAIN + FORGET
    images = torch.randint(0, 256, (count, 1, 4, 4), generator=rng).to(torch.uint8).numpy()
    labels = np.arange(count) % CLASSES
    labels[:RETAIN] = np.arange(RETAIN) % classes
    shown = LabelledImages(images, labels)
    names = tuple(str(c) for c in range(CLASSES))
    dataset = Dataset("tiny", shown, shown, names, (0.5,), (0.3,), Augmentation(), "drawn")
    source = ResidentSource(shown, torch.device("cpu"))
    splits = [Split(source, part, dataset) for part in torch.arange(count).split([RETAIN, FORGET])]
    model = network()
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=rng, dtype=p.dtype) / 2)
    start = copy.deepcopy(model)
    return Problem(
        model,
        splits[0],
        splits[1],
        (),
        torch.Generator().manual_seed(seed),
        lambda: copy.deepcopy(start),
        network,
    )


def whole(split: Split) -> tuple[Tensor, Tensor]:
    """All images and labels of a split."""
    return next(split.ordered(EVERYTHING))
