"""What an attacker gives: its advantage over a model, and over the references among themselves."""

from __future__ import annotations

from typing import NamedTuple


class Advantages(NamedTuple):
    """How much better than a guess an attacker does, in [0, 1]; 0 is ideal."""

    model: float
    """Against the model, held against each mean of K − 1 references; the K values are averaged."""
    references: float
    """Against a reference, held against the mean of the others; averaged over the references."""

    @property
    def indistinguishability(self) -> float:
        """1 where the attacker does no better than against a reference, 0 where it is always right."""
        left = 1 - self.references
        return min(1.0, (1 - self.model) / left) if left > 0 else 1.0
