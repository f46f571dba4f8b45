"""Choosing the examples with the highest, the lowest or the middle values of a number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tasks.errors import InvalidValue
from tasks.forget_sets.arguments import parse_count
from tasks.forget_sets.base import LEAST, check_size
from tasks.registry import one_of

if TYPE_CHECKING:
    import numpy as np

WHICH = ("top", "low", "mid")
"""The highest values, the lowest ones, or those around the median."""


def check_ranked(parts: Sequence[str], spec: str, form: str) -> tuple[str, int]:
    """Read WHICH and COUNT; raises InvalidValue, which names `spec` and shows the `form`."""
    if len(parts) != 2:
        raise InvalidValue(f"{spec}: its form is {form}")
    return one_of("choice", parts[0], WHICH), parse_count(parts[1], spec, LEAST)


def mark_ranked(
    values: np.ndarray,
    which: str,
    count: int,
    seed: int,
    spec: str,
    ties: np.ndarray | None = None,
) -> np.ndarray:
    """Mark `count` of N examples by their `values` (N,): boolean (N,).

    Equal values are ordered by `ties` (N,), if given, and else by chance: data may be sorted by class.
    Raises InvalidValue, which names `spec`, if too few examples are left.
    """
    import numpy as np

    check_size(spec, count, len(values))
    chance = np.random.default_rng(seed).permutation(len(values))
    order = np.lexsort((chance, values) if ties is None else (chance, ties, values))
    start = {"low": 0, "mid": (len(values) - count) // 2, "top": len(values) - count}[which]
    mask = np.zeros(len(values), bool)
    mask[order[start : start + count]] = True
    return mask
