"""Ascent, then descent: the alternating baseline of Rinberg et al. (2026, "Easy data unlearning bench")."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float, Int
from tasks.unlearners.base import Passes, cross_entropy, descend
from tasks.unlearners.forget_alone import ForgetAlone
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from tasks.problem import Problem


@dataclass(frozen=True)
class AscentDescent(ForgetAlone):
    """Each epoch: climb the forget set's cross-entropy, then descend on the retain set's (Rinberg et al., 2026).

    θ ← θ + η · ∇CE(forget) batch by batch in the first epochs, then θ ← θ − η · ∇CE(retain) in each, with one
    optimizer: its momentum goes on from one phase to the other.
    """

    verified: ClassVar[Verified] = Verified(
        "authors' code, RoyRin/data-unlearning-bench",
        ("ascent descent climbs, then descends with one momentum",),
    )
    passes: ClassVar[Passes] = Passes(retain=1, also=(Passes(forget=1, first="ascent_epochs"),))

    lr: Annotated[float, Float(1e-5, 1e-1, log=True, above=0)] = 1e-3
    """SGD learning rate of both phases."""
    epochs: Annotated[int, Int(1, 10, least=1)] = 3
    """Rounds of both phases."""
    ascent_epochs: Annotated[int, Int(1, 10, least=1)] = 3
    """Rounds that begin with the ascent; the others only descend."""
    batch_size: int = 64
    """Examples per step, of either set."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields after both phases."""
        model = problem.model
        optimizer = self.optimizer(model, self.masks(problem))
        for epoch in self.epochs_of(model):
            if epoch < self.ascent_epochs:
                with self.forget_pass(model):
                    for x, y in self.forget_batches(problem):
                        descend(optimizer, lambda: -cross_entropy(model(x), y))
            for x, y in self.retain_batches(problem):
                descend(optimizer, lambda: cross_entropy(model(x), y))
            yield
