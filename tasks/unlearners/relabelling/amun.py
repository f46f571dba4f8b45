"""AMUN (Ebrahimpour-Boroojeny et al., 2025, "AMUN: adversarial machine unlearning", ICML, section 4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Categorical, Float, Int
from tasks.unlearners.base import Passes, SGDUnlearner, cross_entropy, descend
from tasks.unlearners.steps.attacks import nearest_adversary
from tasks.unlearners.steps.batches import MadeExamples, mixed_batches
from tasks.unlearners.steps.schedules import set_learning_rate
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.datasets.splits import Split
    from tasks.models.network import Network
    from tasks.problem import Problem

PILOTS = 50
"""Forget images whose attack starts at the smallest radius; the others start at the median of theirs."""


@dataclass(frozen=True)
class Amun(SGDUnlearner):
    """Fine-tune on adversarial forget images, as the original labels them (Ebrahimpour-Boroojeny et al., 2025).

    For each forget image, the L2 radius of an attack on θ0 is doubled until the prediction changes: (x′, y′).
    Descend on CE over all x′ and the retain set, mixed, and over the forget set with its own labels too if
    `keep_forget` ("advonly" in the authors' code is without). Images whose prediction never changes are left out.
    """

    verified: ClassVar[Verified] = Verified(
        "authors' code, Ali-E/AMUN; how the radius grows is not verified",
        (
            "amun fits adversarial images beside the retain set",
            "the nearest adversary has the first radius that reaches the boundary",
        ),
    )
    passes: ClassVar[Passes] = Passes(retain=1, forget=1, exact=False)
    preparation: ClassVar[Passes] = Passes(forget=40, steps=False, exact=False)

    lr: Annotated[float, Float(1e-4, 1e-1, log=True, above=0)] = 5e-2
    """SGD learning rate of the first epoch."""
    epochs: Annotated[int, Int(1, 10, least=1)] = 3
    """Passes over everything."""
    decay: Annotated[float, Float(0.1, 1.0, log=True, above=0, most=1)] = 0.5
    """Factor on the learning rate after each epoch; the authors' is 0.1."""
    keep_forget: Annotated[bool, Categorical((False, True))] = False
    """Whether the forget set is fine-tuned on as well, with its own labels."""
    smallest_radius: float = 0.01
    """L2 radius of the first attack, of pixels in [0, 1]."""
    attack_steps: Annotated[int, Int(10, 50, least=1)] = 10
    """Steps of an attack, each a tenth of its radius; the authors' are 50."""
    batch_size: int = 128
    """Examples per step."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch."""
        model, adversaries = problem.model, self.adversaries(problem)
        kept = problem.retain.joined(problem.forget) if self.keep_forget else problem.retain
        optimizer = self.optimizer(model, self.masks(problem))
        for epoch in self.epochs_of(model):
            set_learning_rate(optimizer, self.lr * self.decay**epoch)
            batches = mixed_batches(
                kept, adversaries, self.batch_size, problem.rng, share=self.retain_share
            )
            for x, y, _ in batches:
                descend(optimizer, lambda: cross_entropy(model(x), y))
            yield

    def adversaries(self, problem: Problem) -> MadeExamples:
        """Make an adversarial image of each forget image, as far as there is one, with its label."""
        import torch

        teacher, split = problem.original(), problem.forget
        order = torch.randperm(len(split), generator=problem.rng)
        parts = [self.attack(teacher, split, order[:PILOTS], self.smallest_radius)]
        median = float(parts[0][2].median())
        for others in order[PILOTS:].split(self.batch_size):
            if len(others):
                parts.append(self.attack(teacher, split, others, median))
        images, labels = (torch.cat([part[i] for part in parts]) for i in (0, 1))
        return MadeExamples(images, labels)

    def attack(
        self, teacher: Network, split: Split, chosen: Tensor, radius: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Attack the chosen images: those that succeed, their new labels, and the radii."""
        x, y = split.take(chosen)
        images, labels, radii = nearest_adversary(
            teacher, x, y, radius=radius, steps=self.attack_steps, pixels=split.pixel_range
        )
        changed = labels != y
        return images[changed], labels[changed], radii
