"""What an unlearner is, and the few lines that every gradient method shares.

Methods import torch inside functions: a driver and `orchestrator list` read what they declare, at once.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from tasks.errors import InvalidValue
from tasks.registry import one_of
from tasks.search_space import EPOCHS, Categorical, Float, Int, Option, parameters
from tasks.unlearners.descent import (
    Descent,
    Masks,
    cross_entropy,
    descend,
    sgd,
    step,
    trainable,
)
from tasks.unlearners.passes import Passes, Sizes
from tasks.unlearners.steps.masks import (
    MAGNITUDE,
    NONE,
    SALIENCY,
    prune_smallest,
    salient_masks,
)
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    import torch

    from tasks.datasets.splits import Batch
    from tasks.problem import Problem
    from tasks.unlearners.descent import Optimizer

__all__ = [
    "Passes", "SGDUnlearner", "Unlearner", "begin_unlearning", "cross_entropy", "descend", "passes_of", "sgd", "step",
    "trainable",
]  # fmt: skip


@dataclass(frozen=True)
class Unlearner:
    """A method and its hyper-parameters: the fields of a frozen dataclass."""

    anytime: ClassVar[bool] = True
    """Whether each yield is a result in its own right. False where the schedule depends on the
    total number of epochs: then only the last yield counts."""
    class_forgetting: ClassVar[bool] = False
    """Whether the method only makes sense when whole classes are forgotten."""
    changes_convolutions: ClassVar[bool] = False
    """Whether the method only makes sense on a model with a convolution that learns."""
    deterministic: ClassVar[bool] = False
    """Whether it draws no random number at its defaults: every seed then gives the same weights."""
    needs: ClassVar[frozenset[str]] = frozenset()
    """What it needs beyond what every problem has: names from tasks.needs.NEEDS."""
    passes: ClassVar[Passes] = Passes(retain=1, forget=1)
    """What an epoch reads, or the whole method if it has no epochs: for estimates."""
    preparation: ClassVar[Passes] = Passes()
    """What it reads once, before its first epoch."""
    counts_beside: ClassVar[bool] = False
    """Whether it counts more than its passes, by `problem.count_flops` or `count_backwards`: no estimate has that."""
    verified: ClassVar[Verified | None] = None
    """What was verified of it. A class speaks for itself alone, not for those that extend it: see `verified_of`."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Change `problem.model` in place and yield after each epoch, or once.

        All randomness comes from `problem.rng`. The clock runs from this call to the last yield and
        stands still between a yield and the next step: copies of the original count, evaluation does not.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no unlearn()")

    @property
    def certificate(self) -> str | None:
        """Say what its outcome guarantees and what that assumes, or why it guarantees nothing: a line for the row.

        None where its paper has no certificate.
        """
        return None

    @classmethod
    def from_params(cls, params: dict[str, Any]) -> Unlearner:
        """Build from plain values; raises InvalidValue for an unknown name or a value out of range."""
        known = parameters(cls)
        for name, value in params.items():
            if name not in known:
                raise InvalidValue(
                    f"{cls.__name__} has no hyper-parameter {name!r}; valid: {', '.join(known)}"
                )
            known[name].check(value)
        return cls(**params)

    @property
    def params(self) -> dict[str, Any]:
        """Every hyper-parameter and its value, searched or not: what the results row publishes.

        Options at their defaults are left out: what was stored before there were any has the same content.
        """
        declared = parameters(type(self))
        return {
            name: value
            for name, value in asdict(self).items()
            if declared[name].option is None or value != declared[name].default
        }

    @classmethod
    def count_samples(cls, sizes: Sizes, values: Mapping[str, Any]) -> float:
        """Count the examples that a run passes forward and backward, up to the rounding of batches.

        `values` are those of the hyper-parameters, by name.
        """
        before, each = cls.preparation, passes_of(cls)
        return before.count(sizes, values) + values.get(EPOCHS, 1) * each.count(sizes, values)


@dataclass(frozen=True)
class SGDUnlearner(Unlearner):
    """A method that trains by SGD, epoch after epoch, with the fields that most of them share.

    A subclass declares a field again to change its domain, default or help. One that it has no use for it
    fixes, which takes the field away: `weight_decay: ClassVar[float] = 0.0  # type: ignore[misc]`. So do
    methods with the options at the end that make no sense for them, with a word why. A method heeds its options
    if it makes its optimizer by `self.optimizer(model, self.masks(problem))` and steps by `descend`.
    """

    lr: Annotated[float, Float(1e-4, 1e-1, log=True, above=0)] = 1e-2
    """SGD learning rate."""
    epochs: Annotated[int, Int(1, 10, least=1)] = 5
    """Passes over the chosen share of the retain set."""
    retain_share: Annotated[float, Float(0.02, 1.0, log=True, above=0, most=1)] = 1.0
    """Share of the retain set visited in an epoch, drawn anew each time."""
    momentum: float = 0.9
    """SGD momentum."""
    weight_decay: float = 5e-4
    """L2 penalty towards zero."""
    batch_size: int = 256
    """Examples per step."""

    mask: Annotated[str, Option(Categorical((NONE, SALIENCY, MAGNITUDE)))] = NONE
    """Which weights may move. none: all. saliency: those of the highest |Σ ∇CE(forget)| at θ0, which takes a pass over
    the forget set (SalUn, Fan et al., 2024). magnitude: those of the largest |θ0|; the other weights of convolutions
    and linear layers first become 0 and stay 0 (prune first, then unlearn, Jia et al., 2023)."""
    mask_share: Annotated[float, Option(Float(0.01, 1.0))] = 0.5
    """Share of the weights that may move, if there is a mask."""
    sam: Annotated[float, Option(Float(0.0, 10.0))] = 0.0
    """Radius of sharpness-aware minimisation (Foret et al., 2021): each step is along the gradient at this distance up
    the loss that the method descends on. Each step then reads its batch twice. 0: no."""

    def masks(self, problem: Problem) -> Masks | None:
        """Find the masks that its options ask for, before anything moves; None without. May prune the model.

        Draws nothing at random.
        """
        kind = one_of("mask", self.mask, (NONE, SALIENCY, MAGNITUDE))
        if kind == SALIENCY:
            still = problem.forget.ordered(self.batch_size)
            return salient_masks(problem.model, still, self.mask_share)
        return prune_smallest(problem.model, self.mask_share) if kind == MAGNITUDE else None

    def optimizer(self, model: torch.nn.Module, masks: Masks | None = None) -> Descent:
        """Make the SGD that its fields describe, over the trainable parameters of `model`.

        `masks` are those of `masks()`, also for a copy of the model. See `with_options`.
        """
        plain = sgd(model, self.lr, self.momentum, self.weight_decay)
        return self.with_options(plain, model, masks)

    def with_options(
        self, optimizer: Optimizer, model: torch.nn.Module, masks: Masks | None = None
    ) -> Descent:
        """Make `optimizer`, which moves `model`, heed the options: its masks and `sam`.

        Raises InvalidValue if the options ask for masks and there are none: this method does not make them.
        """
        if masks is None and self.mask != NONE:
            raise InvalidValue(
                f"mask={self.mask}: {type(self).__name__} hands its optimizer no masks "
                "(see masks() in tasks/unlearners/base.py); valid: none"
            )
        return Descent(optimizer, model, masks, self.sam)

    @classmethod
    def count_samples(cls, sizes: Sizes, values: Mapping[str, Any]) -> float:
        """See `Unlearner.count_samples`; a saliency mask is a pass over the forget set."""
        of_mask = sizes.forget if values.get("mask", cls.mask) == SALIENCY else 0
        return of_mask + super().count_samples(sizes, values)

    def epochs_of(self, model: torch.nn.Module) -> Iterator[int]:
        """Count its epochs from 0; `model` is in training mode at the start of each."""
        for epoch in range(self.epochs):
            model.train()
            yield epoch

    def retain_batches(self, problem: Problem) -> Iterator[Batch]:
        """Read a random share of the retain set, augmented: images (B, C, H, W) and labels (B,)."""
        return problem.retain.batches(self.batch_size, problem.rng, share=self.retain_share)

    def forget_batches(self, problem: Problem) -> Iterator[Batch]:
        """Read the forget set once, augmented: images (B, C, H, W) and labels (B,)."""
        return problem.forget.batches(self.batch_size, problem.rng)


def begin_unlearning(unlearner: Unlearner, problem: Problem) -> Iterator[None]:
    """Call `unlearner.unlearn`, also that of a plug-in from before there were problems.

    Such a one takes (model, retain, forget, rng). What layers draw by themselves is decided by `problem.rng`. Raises
    InvalidValue if it returns nothing that yields, or if it changes convolutions and the model has none.
    """
    from tasks.compute.draws import OwnDraws
    from tasks.unlearners.steps.blocks import convolutions

    if unlearner.changes_convolutions and not convolutions(problem.model):
        raise InvalidValue(
            f"{type(unlearner).__name__} changes convolutions, and this model has none that learns"
        )
    draws = OwnDraws(problem.rng, problem.device)
    unlearn: Callable[..., Iterator[None]] = unlearner.unlearn
    required = [p for p in inspect.signature(unlearn).parameters.values() if p.default is p.empty]
    parts = (problem.model, problem.retain, problem.forget, problem.rng)
    with draws.use():
        steps = unlearn(*parts) if len(required) == 4 else unlearn(problem)
    if not isinstance(steps, Iterator):
        raise InvalidValue(
            f"{type(unlearner).__name__}.unlearn() returns {type(steps).__name__}, which yields nothing"
        )
    return draws.run(steps)


def passes_of(cls: type[Unlearner]) -> Passes:
    """The passes that a class declares; a plug-in from before declares a pair, or None for a training."""
    declared: Any = cls.passes
    if declared is None:
        return Passes(trainings=1)
    return Passes(*declared) if isinstance(declared, tuple) else declared
