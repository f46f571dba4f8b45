"""What shadow models say: the signals that attacks by many models read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True, eq=False)
class RoleSignals:
    """Signals φ (M, N) of M shadow models at N target examples, before and after unlearning."""

    before: np.ndarray
    after: np.ndarray
    roles: np.ndarray
    """See tasks.evaluation.shadows.incidence, int8 (M, N)."""
    correct: np.ndarray
    """Whether each was right before unlearning, bool (M, N)."""
    population: np.ndarray
    """Signals (M, V) after unlearning at validation images, which no model saw."""


@dataclass(frozen=True, eq=False)
class Shadows:
    """The shadow models of one method; they are trained when a metric first reads them.

    What loads them is None where such models cannot judge the method: see tasks.shadows.limits.
    """

    load_roles: Callable[[], RoleSignals] | None
    load_repeats: Callable[[], np.ndarray] | None
    """Gives φ (N, forget set) of N models that were trained with other seeds, and unlearned."""

    @cached_property
    def roles(self) -> RoleSignals | None:
        """The shadow models in which each target example has one of three roles."""
        return None if self.load_roles is None else self.load_roles()

    @cached_property
    def repeats(self) -> np.ndarray | None:
        """The signals of repeated unlearning at the task's forget set."""
        return None if self.load_repeats is None else self.load_repeats()
