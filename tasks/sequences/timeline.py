"""Which training examples a model may know before and after each request."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from tasks.errors import InvalidValue
from tasks.forget_sets.base import ForgetSet, apply_forget_set
from tasks.forget_sets.updates.base import DataUpdate

if TYPE_CHECKING:
    from tasks.datasets.dataset import Dataset


@dataclass(frozen=True, eq=False)
class Step:
    """One request. Its masks are boolean (N,) over the training examples of the timeline's data."""

    before: np.ndarray
    """What the model that the request meets may know."""
    forget: np.ndarray
    """What must be forgotten: a part of `before`."""
    new: np.ndarray
    """What is to be learned instead; no part of `before`. Empty but for an update of the data."""
    stale: np.ndarray | None = None
    """See Replacement; in the whole of several requests -1 for a new example whose image had no other label."""

    @property
    def retain(self) -> np.ndarray:
        """What the model may know afterwards, boolean (N,)."""
        return (self.before & ~self.forget) | self.new


@dataclass(frozen=True, eq=False)
class Timeline:
    """The training data of all requests, and the examples of each."""

    data: Dataset
    """What there ever is to train on, as it is before the first request."""
    steps: tuple[Step, ...]

    @cached_property
    def whole(self) -> Step:
        """Return all requests as one: what the original knew, what is left at the end, and what came to stay."""
        first, last = self.steps[0].before, self.steps[-1].retain
        stale = np.full(len(first), -1)
        for step in self.steps:
            if step.stale is not None:
                stale[step.new] = step.stale
        new = last & ~first
        return Step(first, first & ~last, new, stale[new] if (stale[new] >= 0).any() else None)

    def gone_before(self, step: int) -> tuple[int, ...]:
        """List the classes of which earlier requests than `step` took the last example."""
        labels = self.data.train.labels
        first, now = (labels[self.steps[n].before] for n in (0, step - 1))
        return tuple(sorted(set(first.tolist()) - set(now.tolist())))


def whole_step(mask: np.ndarray) -> Step:
    """Make the step of a single request whose model may know everything."""
    return Step(np.ones(len(mask), bool), mask, np.zeros(len(mask), bool))


@functools.lru_cache(
    maxsize=4
)  # its data may be a changed copy, and each key reads their fingerprint
def plan_requests(requests: tuple[ForgetSet, ...], dataset: Dataset, name: str) -> Timeline:
    """Apply the requests in order: each chooses among what the earlier ones left.

    The same object for the same arguments. Raises InvalidValue, which names the task and the request, for one
    that cannot follow the earlier ones.
    """
    plan = _Plan(dataset)
    for number, request in enumerate(requests, 1):
        try:
            plan.add(number, request)
        except InvalidValue as error:
            if len(requests) == 1:
                raise
            raise InvalidValue(f"{name}: request {number} of {len(requests)}: {error}") from error
    return Timeline(plan.data, plan.steps())


class _Plan:
    """What is present while requests are added; examples may be appended on the way."""

    def __init__(self, dataset: Dataset) -> None:
        self.data = dataset
        self._initial = np.ones(len(dataset.train), bool)
        """What the original is trained on."""
        self._present = self._initial
        self._parts: list[tuple[np.ndarray, np.ndarray, np.ndarray | None]] = []
        """Forgotten, new and stale of each request."""

    def add(self, number: int, request: ForgetSet) -> None:
        """Apply one more request; raises InvalidValue if it cannot follow."""
        count = len(self.data.train)
        if isinstance(request, DataUpdate):
            # What has come by an update is no training example of the original: it cannot have been wrong then.
            found = request.replace(self.data, self._initial & self._present)
            self.data, count = found.dataset, len(found.dataset.train)
            old, new, stale = found.old, found.new, found.stale
            self._initial = _grown(self._initial, count) & ~new
        else:
            old, new, stale = self._choose(number, request), np.zeros(count, bool), None
        self._present = (_grown(self._present, count) & ~old) | new
        self._parts.append((old, new, stale))

    def _choose(self, number: int, request: ForgetSet) -> np.ndarray:
        count = len(self.data.train)
        if number == 1:
            mask = request.mask(self.data)
            self.data = apply_forget_set(request, self.data)
        elif type(request).apply is not ForgetSet.apply:
            raise InvalidValue(
                "it changes the data before the original is trained: it can be the first request alone"
            )
        else:
            mask = request.mask_within(self.data, self._present)
        if mask.shape != (count,) or mask.dtype != bool:
            raise InvalidValue(f"its mask is no boolean array of {count} training examples")
        gone = int((mask & ~self._present).sum())
        if gone:
            raise InvalidValue(f"earlier requests have removed {gone} of its {mask.sum()} examples")
        return mask

    def steps(self) -> tuple[Step, ...]:
        """List the steps; checks that none sees what an earlier one removed."""
        count, before, steps = len(self.data.train), self._initial, []
        removed = np.zeros(count, bool)
        for old, new, stale in self._parts:
            step = Step(before, _grown(old, count), _grown(new, count), stale)
            removed |= step.forget
            assert not (step.forget & ~step.before).any(), "a request forgets what no model knows"
            assert not (step.retain & removed).any(), "a request retains what is forgotten"
            before = step.retain
            steps.append(step)
        return tuple(steps)


def _grown(mask: np.ndarray, count: int) -> np.ndarray:
    """Return the mask for `count` examples, of which the further ones are not marked."""
    return np.concatenate([mask, np.zeros(count - len(mask), bool)])
