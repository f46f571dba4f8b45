"""DUCK (Cotogni et al., 2023, "DUCK: Distance-based unlearning via centroid kinematics")."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float, Int
from tasks.unlearners.base import Passes, cross_entropy, descend, trainable
from tasks.unlearners.forget_alone import ForgetAlone
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.datasets.splits import Batch
    from tasks.models.network import Network
    from tasks.problem import Problem

CENTROID_BATCHES = 10
"""Batches of the retain set from which the centroids are taken."""


@dataclass(frozen=True)
class CentroidKinematics(ForgetAlone):
    """Pull the features of the forget set to the nearest wrong class's centroid (Cotogni et al., 2023).

    Adam steps down w_f · mean(1 − cos(f(x), nearest wrong centroid)) over forget images x, plus w_r · CE(retain) of
    logits / T; f is what enters the head, a centroid the mean of f over retain images of a class at θ0. The retain
    set ends an epoch, the authors' forget set does, after five retain batches for each of its own; they also stop at
    a forget accuracy below 1 %. Here the nearest centroid is that of each step, in their code that of the first epoch.
    """

    verified: ClassVar[Verified] = Verified(
        "authors' code, jbonato1/SCAR",
        (
            "the distance is to the nearest wrong centroid",
            "duck takes Adam's step down both losses",
        ),
    )
    passes: ClassVar[Passes] = Passes(retain=1, beside=1)

    lr: Annotated[float, Float(1e-4, 1e-2, log=True, above=0)] = 1e-3
    """Adam's learning rate; the authors' is 4e-4, for more steps."""
    epochs: Annotated[int, Int(1, 10, least=1)] = 3
    """Passes over the chosen share of the retain set."""
    forget_weight: Annotated[float, Float(0.1, 10.0, log=True, least=0)] = 1.0
    """Weight w_f of the distance to the centroids."""
    retain_weight: Annotated[float, Float(0.1, 10.0, log=True, least=0)] = 1.4
    """Weight w_r of the cross-entropy."""
    temperature: Annotated[float, Float(0.5, 5.0, above=0)] = 2.0
    """Divisor T of the logits of the retain set."""
    momentum: ClassVar[float] = 0.9  # type: ignore[misc]
    weight_decay: float = 0.0
    """L2 penalty towards zero, in Adam's gradient."""
    batch_size: int = 256
    """Examples per step, of each set."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch."""
        from tasks.compute.adam import Adam

        model, size, rng = problem.model, self.batch_size, problem.rng
        masks = self.masks(problem)
        model.eval()
        batches = problem.retain.batches(size, rng, augment=False)
        centres = centroids(model, itertools.islice(batches, CENTROID_BATCHES), problem.classes)
        adam = Adam(trainable(model), self.lr, self.weight_decay)
        optimizer = self.with_options(adam, model, masks)
        for _ in self.epochs_of(model):
            pairs = problem.retain.paired(problem.forget, size, rng, share=self.retain_share)
            for (x_r, y_r), (x_f, y_f) in pairs:

                def loss() -> Tensor:
                    with self.forget_pass(model):
                        features = model.features_and_logits(x_f)[0]
                    away = self.forget_weight * distance_to_wrong(features, y_f, centres)
                    logits = model(x_r) / self.temperature
                    return away + self.retain_weight * cross_entropy(logits, y_r)

                descend(optimizer, loss)
            yield


def centroids(model: Network, batches: Iterable[Batch], classes: int) -> Tensor:
    """Average the features by class: (classes, D), not a number for a class of which there is no example."""
    import torch

    with torch.no_grad():
        seen = [(model.features_and_logits(x)[0], y) for x, y in batches]
        features, labels = (torch.cat(parts) for parts in zip(*seen, strict=True))
        members = torch.nn.functional.one_hot(labels, classes).to(features.dtype)
        return (members.T @ features) / members.sum(0).unsqueeze(1)


def distance_to_wrong(features: Tensor, labels: Tensor, centres: Tensor) -> Tensor:
    """Average the cosine distances of features (N, D) to the nearest centroid of another class than their label."""
    import torch

    normalised = torch.nn.functional.normalize(features)
    # Where a gradient of zero meets what is not a number, it is none either.
    distances = 1 - normalised @ torch.nn.functional.normalize(centres.nan_to_num()).T
    barred = centres.isnan().any(1) | (
        torch.arange(len(centres), device=labels.device) == labels[:, None]
    )
    return distances.masked_fill(barred, torch.inf).min(1).values.mean()
