"""SISA training: shards of the data, each learned slice after slice (Bourtoule et al., 2021, "Machine unlearning", IEEE
S&P, section IV).

All that decides the weights stands here, because the key of what is cached holds the source of this file.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

from tasks.needs.base import Need, Origin, State, copy_state

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from tasks.datasets.splits import Split
    from tasks.models.network import Network
    from tasks.recipe import Recipe


class Shards(Need):
    """Five models, each trained on a random fifth of the training data, and kept after each of five slices.

    A subclass of your own with other `shards` and `slices` is a need `my_module:MyShards`. Its tensors are
    `slices/S.R`, the indices of slice R of shard S among the training images, and the states `S.R`, as trained on the
    slices 0 to R of that shard. All are kept at once: shards × slices whole models.
    """

    trainings: ClassVar[float] = 1.0
    shards: ClassVar[int] = 5
    """Parts of the data, each with a model of its own."""
    slices: ClassVar[int] = 5
    """Parts of a shard, which its model is given one after the other."""

    def steps(self, recipe: Recipe) -> int:
        """Count the epochs of all shards."""
        return self.shards * sum(stage_epochs(recipe.epochs, self.slices))

    def prepare(self, origin: Origin) -> Generator[None, None, State]:
        """Return the slices and the states; a state without data yet is left out."""
        import torch

        rng, kept = origin.generator(), State()
        for shard, indices in enumerate(self.partition(origin.everything(), rng)):
            shuffled = indices[torch.randperm(len(indices), generator=rng)]
            slices = [part.sort().values for part in shuffled.tensor_split(self.slices)]
            kept |= {f"slices/{shard}.{stage}": part for stage, part in enumerate(slices)}
            model = origin.make_model()
            for stage in range(self.slices):
                yield from train_stage(model, slices, stage, origin.part, rng)
                if sum(map(len, slices[: stage + 1])):
                    kept |= copy_state(model, f"{shard}.{stage}")
        return kept

    def partition(self, everything: Split, rng: torch.Generator) -> Sequence[Tensor]:
        """Cut the training examples into shards: the indices (K,) of each."""
        import torch

        return torch.randperm(len(everything), generator=rng).tensor_split(self.shards)


def read_slices(prepared: Mapping[str, Tensor]) -> list[list[Tensor]]:
    """Return the indices (K,) of each slice of each shard, out of what was prepared."""
    found: dict[int, list[Tensor]] = {}
    for name, indices in prepared.items():
        kind, _, place = name.partition("/")
        if kind == "slices":
            found.setdefault(int(place.partition(".")[0]), []).append(indices)
    return list(found.values())


def stage_epochs(epochs: int, slices: int) -> list[int]:
    """Count the epochs after each new slice, so that all together read as much as `epochs` on the whole shard.

    They are ⌊(r + 1)a⌋ − ⌊ra⌋ for r = 0, 1, …, with a = 2·epochs / (slices + 1), as in the authors' code.
    """
    ends = [2 * epochs * stage // (slices + 1) for stage in range(slices + 1)]
    return [end - start for start, end in pairwise(ends)]


def train_stage(
    model: Network,
    slices: Sequence[Tensor],
    stage: int,
    part: Callable[[Tensor], Split],
    rng: torch.Generator,
) -> Iterator[None]:
    """Train on the slices up to `stage` for its epochs, yielding after each; `part` reads examples by indices (K,).

    The first stage with examples draws the weights. Nothing else depends on what earlier slices hold: momentum starts
    anew, and the learning rate follows the epochs, not the examples. So a stage can be repeated with fewer of them.
    """
    import torch

    from tasks.training import INITIALISATION_IMAGES

    split = part(torch.cat(list(slices[: stage + 1])).sort().values)
    if not len(split):
        return
    if not sum(map(len, slices[:stage])):
        model.initialise(split.sample(INITIALISATION_IMAGES, rng), rng)
    lengths = stage_epochs(model.recipe.epochs, len(slices))
    done = sum(lengths[:stage])
    yield from train_epochs(model, split, range(done, done + lengths[stage]), sum(lengths), rng)


def train_epochs(
    model: Network, split: Split, epochs: range, total: int, rng: torch.Generator
) -> Iterator[None]:
    """Train on `split` for these epochs, of `total`, by the model's recipe, yielding after each.

    With all epochs at once it does what `train_model` does after its first weights. It is a loop of its own because
    the keys of all cached models hold the source of that one.
    """
    from torch.nn.functional import cross_entropy

    from tasks.compute.sgd import SGD
    from tasks.training import LOOKAHEAD_STEPS, Lookahead, parameter_groups

    recipe, each = model.recipe, split.steps(model.recipe.batch_size)
    optimizer = SGD(parameter_groups(model, recipe), recipe.lr, recipe.momentum, nesterov=True)
    slow = Lookahead(model) if recipe.lookahead else None
    step, last = epochs.start * each, total * each
    for _ in epochs:
        model.train()
        for x, y in split.batches(recipe.batch_size, rng):
            for group in optimizer.param_groups:
                group["lr"] = group["factor"] * recipe.lr_at(step, last)
            optimizer.zero_grad()
            cross_entropy(model(x), y, label_smoothing=recipe.label_smoothing).backward()
            optimizer.step()
            step += 1
            if slow is not None and (step % LOOKAHEAD_STEPS == 0 or step == last):
                slow.follow(step / last)
        yield
