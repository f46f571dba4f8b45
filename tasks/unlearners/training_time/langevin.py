"""Langevin unlearning (Chien et al., 2024, "Langevin unlearning: a new perspective of noisy gradient descent for
machine unlearning", NeurIPS)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.needs.base import pick_state
from tasks.needs.noisy_training import LEARNED, NoisyTraining
from tasks.search_space import Int
from tasks.unlearners.base import Passes, Unlearner
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from tasks.problem import Problem


@dataclass(frozen=True)
class Langevin(Unlearner):
    """Go on with the projected noisy descent of a training of its own, without the forget set (Chien et al., 2024).

    K epochs of w ← Π_R(w − η·mean_i clip(∇ℓ_i(w), M) + √(2ησ²)·N(0, I)) on the retain set, from a model that the same
    steps trained on all data: η, σ, M, R and batches are those of the need (tasks/needs/noisy_training.py). It does not
    start from the task's original.

    NO guarantee is claimed. The paper's (ε, δ) holds for full-batch steps from a stationary training, with a smooth and
    Lipschitz loss, and shrinks with K at a known rate if that is strongly convex as well. A deep network's is not, and
    these steps read batches. A frozen layer fitted to all the data (ResNet-9's whitening) is not covered either. The
    authors' code scales the weights to norm R even from within the ball; this projects.
    """

    verified: ClassVar[Verified] = Verified(
        "the paper and the authors' code",
        (
            "it goes on from the noisy training and reads the retain set",
            "the stationary variance of a quadratic",
        ),
    )
    needs: ClassVar[frozenset[str]] = frozenset({"noisy_training"})
    passes: ClassVar[Passes] = Passes(retain=1)

    epochs: Annotated[int, Int(1, 20, least=1)] = 5
    """Passes K over the retain set."""

    @property
    def certificate(self) -> str:
        return "nothing: it needs full-batch steps, and a loss that is smooth and Lipschitz; a network's is not"

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch."""
        (need,) = self.needs
        problem.model.load_state_dict(pick_state(problem.prepared(need), LEARNED))
        for _ in range(self.epochs):
            NoisyTraining().run_epoch(problem.model, problem.retain, problem.rng)
            yield
