"""Rewind-to-delete (Mu and Klabjan, 2025, "Rewind-to-Delete: Certified machine unlearning for nonconvex functions",
NeurIPS)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.needs.base import pick_state
from tasks.needs.checkpoints import FIFTHS, epochs_after
from tasks.search_space import Float, Int
from tasks.unlearners.base import Passes, Unlearner, cross_entropy, sgd, step, trainable
from tasks.unlearners.steps.noise import add_noise
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from tasks.problem import Problem


@dataclass(frozen=True)
class RewindToDelete(Unlearner):
    """Rewind the original's training, and train on from there without the forget set (Mu and Klabjan, 2025).

    θ ← θ_{T−K}, then K epochs θ ← θ − η·∇CE(retain batch), then θ ← θ + N(0, σ²), where T are the epochs of the
    original's training. The paper takes full-batch steps, and computes σ from (ε, δ) and from constants of the loss
    that nobody knows of a deep network: here σ is given, and no guarantee is computed. BatchNorm's statistics go back
    with the weights. The learning rate is constant, as in the paper; the original's recipe lets it rise and fall.
    """

    verified: ClassVar[Verified] = Verified(
        "the paper",
        (
            "rewinding without steps is the checkpoint",
            "noise of the rewound model has its deviation",
        ),
    )
    needs: ClassVar[frozenset[str]] = frozenset({"checkpoints"})
    passes: ClassVar[Passes] = Passes(trainings=1 / FIFTHS, times=("rewind",))

    rewind: Annotated[int, Int(1, FIFTHS - 1)] = 1
    """Fifths of the training to go back, and then forward again: K epochs, rounded."""
    lr: Annotated[float, Float(1e-3, 1e-1, log=True, above=0)] = 1e-2
    """SGD learning rate η."""
    sigma: float = 0.0
    """Standard deviation σ of the noise on the result; 0 for none."""
    momentum: float = 0.9
    """SGD momentum."""
    weight_decay: float = 5e-4
    """L2 penalty towards zero."""
    batch_size: int = 64
    """Examples per step."""

    @property
    def certificate(self) -> str:
        return "nothing: its noise is given, not computed from ε and δ, and its steps read batches"

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields once."""
        model = problem.model
        if self.rewind:
            done = FIFTHS - self.rewind
            model.load_state_dict(pick_state(problem.prepared("checkpoints"), str(done)))
            self.go_on(problem, model.recipe.epochs - epochs_after(done, model.recipe.epochs))
        if self.sigma:
            add_noise(trainable(model), self.sigma, problem.rng)
        yield

    def go_on(self, problem: Problem, epochs: int) -> None:
        """Train for so many epochs on the retain set."""
        optimizer = sgd(problem.model, self.lr, self.momentum, self.weight_decay)
        problem.model.train()
        for _ in range(epochs):
            for x, y in problem.retain.batches(self.batch_size, problem.rng):
                step(optimizer, cross_entropy(problem.model(x), y))
