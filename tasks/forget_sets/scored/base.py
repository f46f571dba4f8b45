"""A forget set that a scoring model chooses, and what that model tells of each training example."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tasks.errors import InvalidValue
from tasks.forget_sets.base import ForgetSet

if TYPE_CHECKING:
    import numpy as np

    from tasks.datasets.dataset import Dataset
    from tasks.scoring.memorisation import Memorisation


class Scores(Protocol):
    """What models say of the N training examples, in their order.

    The scoring model is of the task's family and trained on the same data as the original, with another
    seed: a choice by the original itself would be tuned to it. Each attribute is computed when it is
    first read, and costs what it says.
    """

    @property
    def log(self) -> dict[str, np.ndarray]:
        """Means (N,) over the epochs of the scoring model's training: see tasks.scoring.training_log."""
        ...

    @property
    def early_error(self) -> np.ndarray:
        """Mean (N,) of ‖p − onehot(y)‖₂ over several models early in their training: EL2N."""
        ...

    @property
    def logits(self) -> np.ndarray:
        """Logits (N, classes) of the trained scoring model."""
        ...

    @property
    def features(self) -> np.ndarray:
        """What enters the head of the trained scoring model, (N, D)."""
        ...

    @property
    def margin_slopes(self) -> np.ndarray:
        """‖∇ₓ(z₁ − z₂)‖₂ (N,) of the two highest logits of the scoring model; one backward pass an example."""
        ...

    def memorisation(self, models: int) -> Memorisation:
        """Tell how far each example is memorised: by so many models, each trained on a part of the examples."""
        ...

    def losses_after(self, method: str, mask: np.ndarray) -> np.ndarray:
        """Let a method with its defaults forget the marked examples; return the losses (N,) afterwards."""
        ...


@dataclass(frozen=True)
class ScoredForgetSet(ForgetSet):
    """A kind that needs a model to choose. It never changes the data, and is taken to empty no class.

    `choose` takes the place of `mask`. It runs once for a task and a storage root: its mask is kept.
    """

    def check(self, dataset: Dataset) -> None:
        """Raise InvalidValue for what the data set does not have, before anything is trained."""

    def choose(self, dataset: Dataset, scores: Scores) -> np.ndarray:
        """Mark the training examples to be forgotten: boolean (N,)."""
        raise NotImplementedError(f"{type(self).__name__} defines no choose()")

    def mask(self, dataset: Dataset) -> np.ndarray:
        """Raise InvalidValue: without a model there is no choice."""
        raise InvalidValue(
            f"{type(self).__name__}:{self.argument} is chosen by a scoring model, which is trained when a task runs"
        )
