"""Random labels: the baseline "RL" of Fan et al. (2024), "SalUn", whose code is followed.

Amnesiac unlearning (Graves et al., 2021) is another scheme: one wrong label an example, drawn once, with
both sets mixed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Categorical, Float, Int
from tasks.unlearners.base import Passes, cross_entropy, descend
from tasks.unlearners.forget_alone import ForgetAlone
from tasks.unlearners.steps.batches import mixed_batches, random_labels, wrong_labels
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.datasets.splits import Batch
    from tasks.problem import Problem


@dataclass(frozen=True)
class RandomLabels(ForgetAlone):
    """Each epoch: fit the forget set to fresh wrong labels, and the retain set to its own (Fan et al., 2024).

    Descend on CE(forget, random labels), then on CE(retain): the form of their code for CIFAR-10, except that
    it draws from all classes, the true one included. With `mix` both sets are in the same batches, as in
    their code for CIFAR-100.
    """

    verified: ClassVar[Verified] = Verified(
        "authors' code, OPTML-Group/Unlearn-Saliency",
        ("random labels takes its steps in turn", "random labels mixed is one step on both sets"),
    )
    passes: ClassVar[Passes] = Passes(retain=1, forget=1)

    lr: Annotated[float, Float(1e-3, 1e-1, log=True, above=0)] = 1e-2
    """SGD learning rate."""
    epochs: Annotated[int, Int(1, 10, least=1)] = 3
    """Rounds of both phases."""
    mix: Annotated[bool, Categorical((False, True))] = False
    """Whether both sets are in the same batches, instead of in two phases."""
    exclude_true: Annotated[bool, Categorical((False, True))] = True
    """Whether a random label is never the true one."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields after both phases."""
        model = problem.model
        optimizer = self.optimizer(model, self.masks(problem))
        for _ in self.epochs_of(model):
            for x, y in self._mixed(problem) if self.mix else self._in_turn(problem):
                descend(optimizer, lambda: cross_entropy(model(x), y))
            yield

    def _in_turn(self, problem: Problem) -> Iterator[Batch]:
        with self.forget_pass(problem.model):
            for x, y in self.forget_batches(problem):
                yield x, self._drawn(y, problem)
        yield from self.retain_batches(problem)

    def _mixed(self, problem: Problem) -> Iterator[Batch]:
        rng, share = problem.rng, self.retain_share
        batches = mixed_batches(problem.retain, problem.forget, self.batch_size, rng, share=share)
        for x, y, forgotten in batches:
            yield x, self._drawn(y, problem).where(forgotten, y)

    def _drawn(self, y: Tensor, problem: Problem) -> Tensor:
        draw = wrong_labels if self.exclude_true else random_labels
        return draw(y, problem.classes, problem.rng)
