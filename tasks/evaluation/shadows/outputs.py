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
    """The shadow models of one method; they are trained when a metric first reads them."""

    load_roles: Callable[[], RoleSignals]
    load_repeats: Callable[[], np.ndarray]
    """Gives φ (N, forget set) of N models that were trained with other seeds, and unlearned."""

    @cached_property
    def roles(self) -> RoleSignals:
        """The shadow models in which each target example has one of three roles."""
        return self.load_roles()

    @cached_property
    def repeats(self) -> np.ndarray:
        """The signals of repeated unlearning at the task's forget set."""
        return self.load_repeats()
