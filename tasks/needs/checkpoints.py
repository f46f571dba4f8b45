"""Earlier weights of the original model."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, ClassVar

from tasks.errors import InvalidValue
from tasks.needs.base import Need, Origin, State, copy_state

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.models.network import Network

FIFTHS = 5
"""Parts of equal length that the training is cut in. A checkpoint lies between each two."""


class Checkpoints(Need):
    """Weights and statistics of the original after one to four fifths of its training's epochs.

    The original is trained again with its seed: only sweeps with a method that needs them pay for that.
    """

    trainings: ClassVar[float] = 1.0
    replays_training: ClassVar[bool] = True

    def prepare(self, origin: Origin) -> Generator[None, None, State]:
        """Return the states `1` to `4`, named by the fifths that are done.

        Raises InvalidValue if the last weights are not those of the original, bit for bit.
        """
        from tasks.training import train_model

        model, kept = origin.make_model(), State()
        steps = train_model(model, origin.everything(), origin.generator())
        for epoch, _ in enumerate(steps, start=1):
            for fifth in range(1, FIFTHS):
                if epoch == epochs_after(fifth, model.recipe.epochs):
                    kept |= copy_state(model, str(fifth))
            yield
        check_same(model, origin.weights)
        return kept


def epochs_after(fifth: int, epochs: int) -> int:
    """Count the epochs of a training that are done after so many fifths, at least one."""
    return max(1, round(epochs * fifth / FIFTHS))


def check_same(model: Network, weights: Mapping[str, Tensor]) -> None:
    """Raise InvalidValue, in one line, unless a model that was trained again has these very weights."""
    import torch

    state = model.state_dict()
    if not all(torch.equal(state[name].cpu(), tensor) for name, tensor in weights.items()):
        raise InvalidValue(
            "the original model, trained again, is not the stored one: other hardware or packages trained that one; "
            "use a --storage without it, or methods that need nothing of its training"
        )
