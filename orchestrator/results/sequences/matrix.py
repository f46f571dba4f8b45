"""The accuracy matrix of a sequence of requests, and what it says: erosion, transfer, reversal, cost.

A[t, j] is the accuracy after request t on group j; A[0, j] is the original's. The first T groups belong to the T
requests, the others to what no request concerns. Every number stands beside the same one of the references, which
were retrained on what request t leaves; before the first request a reference is the original.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

LEVEL = 0.95
"""Of the interval of a slope."""


class Beside(NamedTuple):
    """A number of the unlearned models, and the mean of the same number over the references."""

    unlearned: float
    references: float | None
    """None where no references were retrained."""

    @property
    def excess(self) -> float | None:
        """What the unlearned models have above the references."""
        return None if self.references is None else self.unlearned - self.references


class Slope(NamedTuple):
    """Points of accuracy that are lost per request, with the interval that holds it with LEVEL probability."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False, kw_only=True)
class ForgettingMatrix:
    """What one method did in a sequence of T requests."""

    task: str
    unlearner: str
    requests: tuple[str, ...]
    """The T requests."""
    groups: tuple[str, ...]
    """Names of the G groups: the requests, then what stays; see tasks.sequences.groups."""
    model: np.ndarray
    """Accuracies (T + 1, G) of the original and of what each request left."""
    references: np.ndarray
    """Accuracies (T + 1, K, G) of the references; the original's in the first place."""
    costs: np.ndarray
    """What each request took (T,), in FLOPs."""
    retrains: np.ndarray
    """What a retrain on the rest would take instead (T,), in FLOPs."""

    @property
    def count(self) -> int:
        """The number of requests, T."""
        return len(self.requests)

    @cached_property
    def expected(self) -> np.ndarray | None:
        """The mean over the references (T + 1, G); None without any."""
        return self.references.mean(1) if self.references.shape[1] else None

    def erosion(self, group: int) -> list[Beside]:
        """Return E_t = A[0, group] - A[t, group] for t = 1 … T."""
        found = [m[0, group] - m[1:, group] for m in self._both()]
        return [Beside(*values) for values in zip(*self._filled(found), strict=True)]

    def slope(self, group: int) -> Slope | None:
        """Fit a line to E_0 … E_T by least squares; None of fewer than three points."""
        lost = self.model[0, group] - self.model[:, group]
        return fit_slope(lost)

    def backward_transfer(self) -> Beside | None:
        """Average A[j - 1, j] - A[0, j] over the requests but the first: what earlier ones did to later ones' groups.

        None of a single request. Source: Lopez-Paz and Ranzato, 2017, with "learned" read as "still held".
        """
        if self.count < 2:
            return None
        later = range(2, self.count + 1)
        found = [
            float(np.mean([m[j - 1, j - 1] - m[0, j - 1] for j in later])) for m in self._both()
        ]
        return Beside(*self._filled_one(found))

    def reversal(self) -> Beside | None:
        """Return the largest A[t, j] - A[j, j] over t > j: how far what was forgotten comes back.

        Beside it stands the mean of each reference's largest: the largest of their mean would be smaller. None of a
        single request.
        """
        if self.count < 2:
            return None
        each = [max(self._returns(one)) for one in np.moveaxis(self.references, 1, 0)]
        return Beside(float(max(self._returns(self.model))), float(np.mean(each)) if each else None)

    def _returns(self, accuracies: np.ndarray) -> list[float]:
        pairs = [(t, j) for j in range(1, self.count) for t in range(j + 1, self.count + 1)]
        return [accuracies[t, j - 1] - accuracies[j, j - 1] for t, j in pairs]

    @property
    def relative_cost(self) -> float:
        """What all requests took, as a share of as many retrains."""
        return float(self.costs.sum() / self.retrains.sum())

    @property
    def break_even(self) -> float:
        """Requests whose unlearning costs as much as one retrain; infinite if they cost nothing."""
        mean = float(self.costs.mean())
        return float(self.retrains.mean()) / mean if mean else math.inf

    def _both(self) -> list[np.ndarray]:
        return [self.model] if self.expected is None else [self.model, self.expected]

    def _filled(self, found: list[np.ndarray]) -> list[list[float | None]]:
        lists: list[list[float | None]] = [[float(v) for v in values] for values in found]
        return lists if len(lists) > 1 else [*lists, [None] * self.count]

    def _filled_one(self, found: list[float]) -> tuple[float, float | None]:
        return found[0], (found[1] if len(found) > 1 else None)


def fit_slope(values: np.ndarray) -> Slope | None:
    """Fit a line to values (n,) at 0 … n - 1, with the interval of its slope; None below three values."""
    from scipy.special import stdtrit

    n = len(values)
    if n < 3:
        return None
    x = np.arange(n) - (n - 1) / 2
    slope = float(x @ values / (x @ x))
    residuals = values - values.mean() - slope * x
    error = math.sqrt(float(residuals @ residuals) / (n - 2) / float(x @ x))
    reach = float(stdtrit(n - 2, (1 + LEVEL) / 2)) * error
    return Slope(slope, slope - reach, slope + reach)
