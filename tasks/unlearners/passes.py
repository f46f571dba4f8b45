"""How much a method reads: what its estimate is made of, and what its meter must count."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks.search_space import EPOCHS


@dataclass(frozen=True)
class Sizes:
    """What decides how long a pass is, beside the hyper-parameters."""

    retain: int
    """Examples of the retain set."""
    forget: int
    """Examples of the forget set."""
    recipe_epochs: int
    """Epochs of the training recipe of the model."""
    calibration: int = 0
    """Examples of the calibration split."""


@dataclass(frozen=True)
class Passes:
    """How many examples an epoch of a method passes forward and backward, in passes over its sets."""

    retain: float = 0.0
    """Over the chosen share of the retain set."""
    forget: float = 0.0
    """Over the forget set."""
    both: float = 0.0
    """Over the chosen share of the two sets together."""
    beside: float = 0.0
    """Batches of the forget set that are read beside each batch of the retain set."""
    beside_once: float = 0.0
    """The same, but until the forget set is used up."""
    beside_forget: float = 0.0
    """Batches of the retain set that are read beside each batch of the forget set."""
    forget_batches: float = 0.0
    """Single batches of the forget set."""
    trainings: float = 0.0
    """Whole trainings on the retain set, by the model's own recipe."""
    calibration: float = 0.0
    """Over the calibration split."""
    made_batches: float = 0.0
    """Batches of images that the method makes up."""
    steps: bool = True
    """Whether steps are taken with it, not only looks: `sam` reads it twice."""
    first: str | None = None
    """Name of a hyper-parameter: in so many of the first epochs alone."""
    times: tuple[str, ...] = ()
    """Names of hyper-parameters that multiply all of these."""
    also: tuple[Passes, ...] = ()
    """What is read on top of that, with multipliers of its own."""
    exact: bool = True
    """Whether that is what a run reads; if the data decide, it may read three times more or less."""

    def count(self, sizes: Sizes, values: Mapping[str, Any]) -> float:
        """Count the examples of an epoch, up to the rounding of batches.

        `values` are those of the hyper-parameters, by name: the shares and batch sizes, those named in `times`, and
        `sam`, for which a step reads its batch twice.
        """
        retain, forget = sizes.retain, sizes.forget
        share, batch_size = values.get("retain_share", 1.0), round(values.get("batch_size", 256))
        steps = math.ceil(share * retain / batch_size)
        forget_steps = math.ceil(forget / batch_size)
        forget_batch = forget / forget_steps if forget else 0
        retain_batch = retain / math.ceil(retain / batch_size)
        own = (
            self.retain * share * retain
            + self.forget * forget
            + self.both * share * (retain + forget)
            + self.beside * steps * forget_batch
            + self.beside_once * min(steps, forget_steps) * forget_batch
            + self.beside_forget * forget_steps * retain_batch
            + self.forget_batches * forget_batch
            + self.trainings * sizes.recipe_epochs * retain
            + self.calibration * sizes.calibration
            + self.made_batches * batch_size
        )
        if self.steps and values.get("sam"):
            own *= 2
        if self.first is not None:
            epochs = values[EPOCHS]
            own *= min(values[self.first], epochs) / epochs
        more = sum(part.count(sizes, values) for part in self.also)
        return math.prod(values[name] for name in self.times) * own + more
