"""SalUn (Fan et al., 2024, "Empowering machine unlearning via gradient-based weight saliency", ICLR, section 4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Categorical, Float, Int
from tasks.unlearners.base import Passes, cross_entropy, descend
from tasks.unlearners.forget_alone import ForgetAlone
from tasks.unlearners.steps.batches import random_labels, wrong_labels
from tasks.unlearners.steps.masks import salient_masks
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.problem import Problem


@dataclass(frozen=True)
class SalUn(ForgetAlone):
    """Fit random labels by moving only the weights that matter to the forget set (Fan et al., 2024).

    The weights of the highest |Σ_batches ∇CE(forget)| at θ0 move, all others keep their value to the last bit. Each
    epoch: a pass down CE(forget, fresh random labels), then one down CE(retain). The authors' script
    for the mask also takes ascent steps between its gradients; here the weights stand still.
    """

    verified: ClassVar[Verified] = Verified(
        "authors' code, OPTML-Group/Unlearn-Saliency",
        (
            "salun moves the weights of the highest summed gradients alone",
            "salun with every weight is random labels",
        ),
    )
    passes: ClassVar[Passes] = Passes(retain=1, forget=1)
    preparation: ClassVar[Passes] = Passes(forget=1, steps=False)

    lr: Annotated[float, Float(1e-3, 1e-1, log=True, above=0)] = 1.3e-2
    """SGD learning rate."""
    epochs: Annotated[int, Int(1, 10, least=1)] = 3
    """Rounds of both phases."""
    salient_share: Annotated[float, Float(0.1, 0.9)] = 0.5
    """Share of the weights that may move."""
    exclude_true: Annotated[bool, Categorical((False, True))] = False
    """Whether a random label is never the true one."""
    # It is this mask, with a share that is searched.
    mask: ClassVar[str] = "none"  # type: ignore[misc]
    mask_share: ClassVar[float] = 1.0  # type: ignore[misc]

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields after both phases."""
        model = problem.model
        still = problem.forget.batches(self.batch_size, problem.rng, augment=False)
        optimizer = self.optimizer(model, salient_masks(model, still, self.salient_share))
        for _ in self.epochs_of(model):
            with self.forget_pass(model):
                for x, y in self.forget_batches(problem):
                    drawn = self._drawn(y, problem)
                    descend(optimizer, lambda: cross_entropy(model(x), drawn))
            for x, y in self.retain_batches(problem):
                descend(optimizer, lambda: cross_entropy(model(x), y))
            yield

    def _drawn(self, y: Tensor, problem: Problem) -> Tensor:
        draw = wrong_labels if self.exclude_true else random_labels
        return draw(y, problem.classes, problem.rng)
