"""Which examples the shadow models differ by, and what each model is trained on and unlearns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.evaluation.shadows.incidence import OUT, UNLEARN, assign_roles

MOST_TARGETS = 2_000
TARGET_SHARE = 0.1
"""Target examples, at most such a share of the training split: what all models lack of it is little."""


@dataclass(frozen=True, eq=False)
class ShadowDesign:
    """The roles of N target examples in M models; all other examples are in every model."""

    targets: np.ndarray
    """Positions (N,) among the original's training examples, in their order, int64."""
    rest: np.ndarray
    """The other positions."""
    roles: np.ndarray
    """See tasks.evaluation.shadows.incidence, int8 (M, N)."""

    def list_trained(self, number: int) -> np.ndarray:
        """List the positions that model `number` is trained on, in order."""
        return np.sort(np.concatenate([self.rest, self.targets[self.roles[number] != OUT]]))

    def list_unlearned(self, number: int) -> np.ndarray:
        """List the positions that model `number` then unlearns, in order."""
        return self.targets[self.roles[number] == UNLEARN]


def draw_design(examples: int, models: int, seed: int) -> ShadowDesign:
    """Draw the target examples of a task, and their roles; the same for every method and forget set.

    Raises InvalidValue unless so many `models` can be balanced.
    """
    count = min(MOST_TARGETS, int(TARGET_SHARE * examples))
    drawn = np.random.default_rng(seed).permutation(examples)
    roles = assign_roles(models, count, seed)
    return ShadowDesign(np.sort(drawn[:count]), drawn[count:], roles)
