"""Retraining from scratch on the retain set: the exact reference that the others approximate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tasks.unlearners.base import Passes, Unlearner
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from tasks.problem import Problem


@dataclass(frozen=True)
class Retrain(Unlearner):
    """Train anew, by the original model's recipe, without the forget set. Nothing to search."""

    verified: ClassVar[Verified] = Verified(
        "the recipe of the original model", ("retrain is the retrained baseline bit for bit",)
    )
    anytime: ClassVar[bool] = False
    passes: ClassVar[Passes] = Passes(trainings=1)

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch; only the last is a trained model."""
        from tasks.training import train_model

        yield from train_model(problem.model, problem.retain, problem.rng)
