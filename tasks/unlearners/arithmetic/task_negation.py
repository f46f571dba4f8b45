"""Task negation (Ilharco et al., 2023, "Editing models with task arithmetic", section 3)."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Categorical, Float, Int
from tasks.unlearners.base import Passes, SGDUnlearner, trainable
from tasks.unlearners.steps.gradients import flatten, write_weights
from tasks.unlearners.steps.task_vectors import tune
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from tasks.problem import Problem


@dataclass(frozen=True)
class TaskNegation(SGDUnlearner):
    """Fine-tune a copy on the forget set and go the other way: θ0 − λ(θ_tuned − θ0) (Ilharco et al., 2023).

    Only trainable weights are negated: the statistics of BatchNorm stay those of the original model.
    """

    verified: ClassVar[Verified] = Verified(
        "the paper, section 3", ("negation goes as far back as the tuning went on",)
    )
    passes: ClassVar[Passes] = Passes(forget=1)

    strength: Annotated[float, Float(0.1, 30.0, log=True, above=0)] = 1.0
    """Length λ of the way back."""
    lr: Annotated[float, Float(1e-4, 1e-1, log=True, above=0)] = 3e-3
    """SGD learning rate of the fine-tuning."""
    epochs: Annotated[int, Int(1, 10, least=1)] = 3
    """Passes over the forget set; the model is negated after each."""
    freeze_batch_norm: Annotated[bool, Categorical((False, True))] = False
    """Whether the copy is tuned with the original's statistics of BatchNorm instead of each batch's own."""
    retain_share: ClassVar[float] = 0.0  # type: ignore[misc]
    weight_decay: ClassVar[float] = 0.0  # type: ignore[misc]
    batch_size: int = 64
    """Examples per step."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch."""
        model = problem.model
        masks = self.masks(problem)
        tuned = copy.deepcopy(model)
        start = flatten(trainable(model))
        optimizer = self.optimizer(tuned, masks)
        for _ in range(self.epochs):
            tune(tuned, optimizer, self.forget_batches(problem), frozen=self.freeze_batch_norm)
            vector = flatten(trainable(tuned)) - start
            write_weights(model, start - self.strength * vector)
            yield
