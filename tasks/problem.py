"""What a method is given: the model to change, its data, and what else it may ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tasks.errors import InvalidValue

if TYPE_CHECKING:
    import torch

    from tasks.datasets.splits import Split
    from tasks.models.network import Network


def _count_nothing(amount: float) -> None:
    pass


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
    """Classes of `forget` of which `retain` holds no example; often none."""
    rng: torch.Generator
    """The source of all randomness of the trial, on the CPU."""
    make_original: Callable[[], Network]
    """Builds another model with the original weights: for `original`."""
    make_blank: Callable[[], Network]
    """Builds a model without weights: for `blank`."""
    calibration: Split | None = None
    """Images that the original never saw and no result reads; None unless the method needs them."""
    trained_needs: Mapping[str, dict[str, torch.Tensor]] = field(default_factory=dict)
    """What was trained beforehand for the needs that the method declares; read it by `prepared`."""
    count_flops: Callable[[float], None] = _count_nothing
    """Adds FLOPs to the cost: those computed outside of a model's passes, which nobody else counts."""
    count_backwards: Callable[[int], None] = _count_nothing
    """Adds backward passes to the cost, in examples: those beyond the first that follows each forward pass."""

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

    def prepared(self, need: str) -> dict[str, torch.Tensor]:
        """Return the named tensors of a need, on the CPU; copy what is to be changed.

        Raises InvalidValue if the method does not declare it, or if it is not trained beforehand.
        """
        if need not in self.trained_needs:
            given = ", ".join(self.trained_needs) or "nothing"
            raise InvalidValue(
                f"{need!r} is not prepared for this method: its `needs` ask for {given}"
            )
        return self.trained_needs[need]

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
