"""Several short trials to one call of a worker: what Tune and Ray take for a call is paid once for all of them."""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from ray.tune.search import Searcher

from orchestrator.execution.searcher import StudySearch
from orchestrator.worker.trainable import MORE, THEN

CALL_SECONDS = 0.5
"""What a call is to take: less, and Tune's part is felt; more, and proposals wait long for results to learn from."""
MOST = 16
"""Trials of a call."""
REMEMBERED = 9
"""Calls whose median says how long a trial takes: the first call of a worker also builds what it needs."""
LAST_SHARE = 4
"""A worker gets at most one in so many of its trials that are left, so that all workers end together."""

Trial = dict[str, Any]


class BatchSearch(Searcher):
    """Hands Tune the trials of a search: one at a time where they are long, else several as one trial of Tune's.

    `slots` is the number of trials that run at a time. A batch whose worker died for good is run again trial by
    trial: those that were stored are found, and the one that kills its worker is given up alone.
    """

    def __init__(
        self, search: StudySearch, slots: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._search, self._slots, self._clock = search, slots, clock
        self._running: dict[str, list[tuple[str, Trial]]] = {}
        """The trials of each of Tune's, by their ids in the search."""
        self._begun: dict[str, float] = {}
        self._took: deque[float] = deque(maxlen=REMEMBERED)
        """Seconds of a trial, in the latest calls."""
        self._again: list[tuple[str, Trial]] = []

    def suggest(self, trial_id: str) -> Any:
        """Return the configuration of the next call, or FINISHED; None while there may be more to come."""
        batch = [self._again.pop(0)] if self._again else self._ask(trial_id)
        if isinstance(batch, list):
            self._running[trial_id], self._begun[trial_id] = batch, self._clock()
            (_, first), *others = batch
            return {**first, THEN: [trial for _, trial in others]} if others else first
        waits = any(len(others) > 1 for others in self._running.values())
        return None if waits else batch

    def _ask(self, trial_id: str) -> Any:
        """Return a list of trials with their ids; what the search says instead, if it has none."""
        batch: list[tuple[str, Trial]] = []
        for number in range(self._choose_size()):
            own = f"{trial_id}.{number}"
            trial = self._search.suggest(own)
            if not isinstance(trial, dict):
                return batch or trial
            batch.append((own, trial))
        return batch

    def _choose_size(self) -> int:
        if len(self._took) < REMEMBERED:
            return 1
        fitting = round(CALL_SECONDS / max(statistics.median(self._took), 1e-6))
        return max(1, min(fitting, MOST, self._search.left // (LAST_SHARE * self._slots)))

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tell the search of each trial of the call."""
        batch = self._running.pop(trial_id, [])
        seconds = self._clock() - self._begun.pop(trial_id, 0.0)
        if error or result is None:
            if len(batch) > 1:
                self._again += batch
            else:
                for own, _ in batch:
                    self._search.on_trial_complete(own, result, error)
            return
        self._took.append(seconds / max(1, len(batch)))
        for (own, _), found in zip(batch, (result, *result.get(MORE, ())), strict=False):
            self._search.on_trial_complete(own, found)

    def set_search_properties(
        self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any
    ) -> bool:
        """Take Tune's metric, mode and space, which have no say here: see StudySearch."""
        return True

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing: see StudySearch."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: the rows are stored already."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing: see `save`."""
