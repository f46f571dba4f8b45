"""Gradients as vectors: projections."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def without_conflict(gradient: Tensor, other: Tensor) -> Tensor:
    """Project `gradient` onto the plane normal to `other` if the two point against each other.

    g − (g·o / ‖o‖²) o where g·o < 0, else g itself (Yu et al., 2020, "Gradient surgery"); any one shape.
    """
    along = (gradient * other).sum()
    if along >= 0:
        return gradient
    return gradient - along / other.square().sum() * other
