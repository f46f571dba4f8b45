"""What a method is given: the model to change, its data, and what else it may ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.errors import InvalidValue

if TYPE_CHECKING:
    import torch

    from tasks.datasets.splits import Split
    from tasks.models.network import Network

CALIBRATION = "calibration"
NEEDS: dict[str, str] = {
    CALIBRATION: "a tenth of the held-out images, which the original never saw and no result reads",
}
"""What a method may declare in `needs` beyond what every problem has, and what it then finds there.

Meant for what is costly to prepare: a log of the training, shards, a calibration split.
"""


def check_needs(who: str, needs: Iterable[str]) -> None:
    """Raise InvalidValue, in one line that names `who`, if they need what no problem offers."""
    unknown = sorted(set(needs) - set(NEEDS))
    if unknown:
        offered = ", ".join(NEEDS) or "nothing beyond the attributes of tasks.problem.Problem"
        raise InvalidValue(
            f"{who} needs {', '.join(unknown)}, which no problem offers; valid: {offered}"
        )


@dataclass(frozen=True, eq=False)
class Problem:
    """One trial's unlearning problem, the only argument of `unlearn`. It may grow; what results read stays out."""

    model: Network
    """The original model, to be changed in place."""
    retain: Split
    """The training examples to keep."""
    forget: Split
    """The training examples to forget."""
    forgotten_classes: tuple[int, ...]
    """Classes of which `retain` holds no example; often none."""
    rng: torch.Generator
    """The source of all randomness of the trial, on the CPU."""
    make_original: Callable[[], Network]
    """Builds another model with the original weights: for `original`."""
    make_blank: Callable[[], Network]
    """Builds a model without weights: for `blank`."""
    calibration: Split | None = None
    """Images that the original never saw and no result reads; None unless the method needs them."""

    @property
    def classes(self) -> int:
        """Number of classes, the forgotten ones included: the length of the logits."""
        return self.retain.classes

    @property
    def device(self) -> torch.device:
        """Where the model and the batches are."""
        return self.retain.device

    @property
    def dtype(self) -> torch.dtype:
        """What the forward pass computes in; weights and logits are float32."""
        return self.model.compute_dtype

    def original(self) -> Network:
        """Make a teacher: the original model in evaluation mode, its weights frozen; each call a new copy.

        What passes through it counts as forward samples, unless a gradient of the images is taken.
        """
        return self.make_original().eval().requires_grad_(False)

    def blank(self) -> Network:
        """Make a model with fresh weights, drawn from `rng` as before training, in training mode.

        What passes through it counts like what passes through `model`.
        """
        from tasks.training import INITIALISATION_IMAGES

        model = self.make_blank()
        model.initialise(self.retain.sample(INITIALISATION_IMAGES, self.rng), self.rng)
        return model
