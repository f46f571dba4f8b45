"""NegMerge (Kim et al., 2025, "NegMerge: sign-consensual weight merging for machine unlearning", ICML)."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Categorical, Float, Int
from tasks.unlearners.base import Passes, SGDUnlearner, sgd, trainable
from tasks.unlearners.steps.gradients import flatten, write_weights
from tasks.unlearners.steps.task_vectors import consensus, tune
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from tasks.problem import Problem

TUNING_EPOCHS = 3
"""Passes over the forget set with which each copy is tuned."""


@dataclass(frozen=True)
class NegMerge(SGDUnlearner):
    """Negate what several fine-tunings on the forget set agree on: θ0 − λτ (Kim et al., 2025).

    Copy k of K is tuned on the forget set, τ_k = θ_k − θ0; τ is the mean of the τ_k where all their signs agree, 0
    elsewhere. The copies differ in learning rate, drawn around `lr`, and in the order and augmentation of their
    batches; the authors also vary the optimiser's other settings. The statistics of BatchNorm stay the original's.
    """

    verified: ClassVar[Verified] = Verified(
        "a port, torchunlearn; the authors' repository holds no code",
        (
            "a consensus keeps the mean where all signs agree",
            "negmerge of one copy is the negation at its own rate",
        ),
    )
    passes: ClassVar[Passes] = Passes(forget=TUNING_EPOCHS)

    strength: Annotated[float, Float(0.1, 30.0, log=True, above=0)] = 1.0
    """Length λ of the way back."""
    lr: Annotated[float, Float(1e-4, 1e-1, log=True, above=0)] = 3e-3
    """Learning rate of the fine-tunings: each draws its own, log-uniformly, within a factor of 3."""
    epochs: Annotated[int, Int(1, 30, log=True, least=1)] = 4
    """Copies K; the model is the merge of all so far after each."""
    freeze_batch_norm: Annotated[bool, Categorical((False, True))] = False
    """Whether the copies are tuned with the original's statistics of BatchNorm instead of each batch's own."""
    retain_share: ClassVar[float] = 0.0  # type: ignore[misc]
    weight_decay: ClassVar[float] = 0.0  # type: ignore[misc]
    batch_size: int = 32
    """Examples per step."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per copy."""
        import torch

        model = problem.model
        masks = self.masks(problem)
        original = copy.deepcopy(model)
        start = flatten(trainable(model))
        vectors = []
        for _ in range(self.epochs):
            tuned = copy.deepcopy(original)
            factor = 3 ** float(2 * torch.rand((), generator=problem.rng) - 1)
            plain = sgd(tuned, self.lr * factor, self.momentum)
            optimizer = self.with_options(plain, tuned, masks)
            for _ in range(TUNING_EPOCHS):
                batches = self.forget_batches(problem)
                tune(tuned, optimizer, batches, frozen=self.freeze_batch_norm)
            vectors.append(flatten(trainable(tuned)) - start)
            write_weights(model, start - self.strength * consensus(vectors))
            yield
