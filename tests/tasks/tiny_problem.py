"""Problems of a few examples and a linear model in float64, whose answers can be written down."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn

from tasks.datasets.dataset import Augmentation, Dataset, LabelledImages
from tasks.datasets.splits import ResidentSource, Split
from tasks.models.network import Network
from tasks.problem import Problem
from tasks.unlearners.base import Unlearner, trainable

CPU = torch.device("cpu")


class LinearModel(Network):
    """Logits W x + b of the flat image, in float64."""

    def __init__(self, inputs: int, classes: int, bias: bool = True) -> None:
        super().__init__()
        self.head = nn.Linear(inputs, classes, bias=bias).double()

    def logits(self, x: Tensor) -> Tensor:
        return self.head(x.flatten(1).double())


def images_of(rows: np.ndarray, labels: list[int], classes: int) -> tuple[Split, Dataset]:
    """A split over rows of pixels uint8 (N, D) as images (N, 1, 1, D), scaled to 0..255/64 and not shifted."""
    data = LabelledImages(rows.reshape(len(rows), 1, 1, -1), np.asarray(labels))
    names = tuple("abcdefgh"[:classes])
    dataset = Dataset(
        name="tiny", train=data, held_out=data, classes=names, mean=(0.0,), std=(64 / 255,),
        augmentation=Augmentation(), source="rows",
    )  # fmt: skip
    return Split(ResidentSource(data, CPU), torch.arange(len(rows)), dataset), dataset


def linear_problem(
    *, retain: int = 12, forget: int = 4, inputs: int = 3, classes: int = 3, bias: bool = True
) -> Problem:
    """Random pixels and labels; the last examples are forgotten."""
    rng, count = np.random.default_rng(0), retain + forget
    rows = rng.integers(0, 256, (count, inputs), dtype=np.uint8)
    split, _ = images_of(rows, list(rng.integers(0, classes, count)), classes)
    return problem_of(split, retain, LinearModel(inputs, classes, bias))


def problem_of(split: Split, retain: int, model: LinearModel) -> Problem:
    """Keep the first `retain` examples of a split and forget the others; the weights are drawn."""
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=rng, dtype=torch.float64))
    start = copy.deepcopy(model)
    kept, gone = (split._with(split.indices[part]) for part in (slice(retain), slice(retain, None)))
    return Problem(
        model=model, retain=kept, forget=gone, forgotten_classes=(), rng=torch.Generator(),
        make_original=lambda: copy.deepcopy(start), make_blank=lambda: copy.deepcopy(start),
    )  # fmt: skip


def everything(split: Split) -> tuple[Tensor, Tensor]:
    """The images as rows in float64 (N, D), and the labels, in stored order."""
    batches = list(split.ordered())
    x, y = (torch.cat(parts) for parts in zip(*batches, strict=True))
    return x.flatten(1).double(), y


def run(unlearner: Unlearner, problem: Problem) -> list[Tensor]:
    """Unlearn; all trainable weights in one vector, before it and after each yield."""
    states = [flat(problem.model)]
    for _ in unlearner.unlearn(problem):
        states.append(flat(problem.model))
    return states


def flat(model: Network) -> Tensor:
    """All trainable weights in one vector."""
    return torch.cat([p.detach().flatten() for p in trainable(model)])


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    """Whether two states are equal bit for bit."""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
