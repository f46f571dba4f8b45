"""What a need is, and what one that is trained beforehand is trained from."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from tasks.datasets.dataset import Dataset
    from tasks.datasets.splits import Source, Split
    from tasks.models.network import Network
    from tasks.recipe import Recipe

State = dict[str, "Tensor"]


@dataclass(frozen=True, eq=False)
class Origin:
    """The training of the original model: what it took, and the weights that it gave."""

    source: Source
    """The training images as they are read."""
    dataset: Dataset
    """The data set that the original was trained on."""
    forget: Tensor
    """Indices (N,) into the training images of those to be forgotten."""
    seed: int
    """Seed of the training."""
    weights: Mapping[str, Tensor]
    """The state of the original model, on the CPU."""
    make_model: Callable[[], Network]
    """Builds a model without weights, whose examples are counted."""
    trained: Tensor | None = None
    """Indices (M,) of the training images that the original was trained on; None for all."""

    def everything(self, source: Source | None = None) -> Split:
        """Return all examples that the original was trained on, read from `source`.

        By default they are read as the original read them.
        """
        import torch

        from tasks.datasets.splits import Split

        whole = torch.arange(len(self.dataset.train))
        trained = whole if self.trained is None else self.trained
        return Split(source or self.source, trained, self.dataset)

    def part(self, indices: Tensor) -> Split:
        """Return the training examples at these indices (N,)."""
        from tasks.datasets.splits import Split

        return Split(self.source, indices, self.dataset)

    def generator(self) -> torch.Generator:
        """Make the generator that the original was trained with, as it was at first."""
        import torch

        return torch.Generator().manual_seed(self.seed)


class Need:
    """Something that a method asks for by name. The first line of a subclass says what it is.

    One with `trainings` is trained once, before the trials, and kept in the cache of artifacts. Its key holds
    that of the original, what decides its training, and the source of its class. The files of this package import
    torch inside functions.
    """

    trainings: ClassVar[float] = 0.0
    """Whole trainings on all the data that it costs; 0 for what is not trained."""
    of_forget_set: ClassVar[bool] = False
    """Whether it depends on what is to be forgotten: it is then in its key."""

    replays_training: ClassVar[bool] = False
    """Whether it repeats the original's training. There is none to repeat if the original is given."""

    def steps(self, recipe: Recipe) -> int:
        """Count the yields of `prepare`: epochs, for who follows its progress."""
        return recipe.epochs

    def prepare(self, origin: Origin) -> Generator[None, None, State]:
        """Train, yield after each epoch, and return named tensors on the CPU.

        It may be given up at any yield. All randomness comes from `origin.generator()`.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no prepare()")


def copy_state(model: Network, name: str) -> State:
    """Copy all weights and statistics of a model to the CPU, as NAME/TENSOR; see `pick_state`."""
    state = model.state_dict()
    return {f"{name}/{key}": tensor.detach().cpu().clone() for key, tensor in state.items()}


def pick_state(prepared: Mapping[str, Tensor], name: str) -> State:
    """Return the state that `copy_state` put under this name."""
    start = f"{name}/"
    return {k.removeprefix(start): t for k, t in prepared.items() if k.startswith(start)}
