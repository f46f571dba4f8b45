"""What methods share that pass batches of the forget set alone: a choice whether BatchNorm's statistics follow them."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from tasks.search_space import Categorical
from tasks.unlearners.base import SGDUnlearner
from tasks.unlearners.steps.batch_norm import frozen_batch_norm

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class ForgetAlone(SGDUnlearner):
    """A method that passes batches of the forget set alone, to which BatchNorm's statistics then move.

    The statistics alone can forget a class, while every weight stays. So whether they may is searched.
    """

    freeze_batch_norm: Annotated[bool, Categorical((False, True))] = False
    """Keep the statistics of BatchNorm where the forget set passes alone: then the weights alone forget."""

    def forget_pass(self, model: torch.nn.Module) -> AbstractContextManager[None]:
        """Return the block in which batches of the forget set alone pass `model`, which is in training mode."""
        return frozen_batch_norm(model) if self.freeze_batch_norm else nullcontext()
