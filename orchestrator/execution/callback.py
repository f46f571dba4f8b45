"""What the driver does between two steps of Tune's loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ray.tune import Callback

from orchestrator.execution.ray_patches import worker_of
from orchestrator.reporting.observer import Observer
from orchestrator.reporting.progress import Progress


class ProgressCallback(Callback):
    """Tells an observer how far the search is, from a Progress that the searcher feeds.

    `running` says how many calls run: how many trials do so now. `checks` are called between two steps
    of Tune's loop, and what they raise ends the loop. `on_overdue` is called with a call whose worker
    died after `limit` seconds or more, before another worker has it: a call of one trial, for no other
    is run again.
    """

    def __init__(
        self,
        progress: Progress,
        observer: Observer,
        running: Callable[[], int],
        checks: Sequence[Callable[[], None]],
        limit: float | None,
        on_overdue: Callable[[Mapping[str, Any]], object],
    ) -> None:
        self._progress, self._observer = progress, observer
        self._running, self._checks = running, checks
        self._limit, self._on_overdue = limit, on_overdue
        self._started: dict[str, float] = {}
        """When each call began. One whose worker still gets ready is not among them."""
        self._ready: set[int] = set()
        """Workers that are ready, by `worker_of`."""

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles its callbacks with the experiment; none is ever restored."""
        return {}

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Tune's loop has gone round once."""
        for check in self._checks:
            check()
        self._progress.running = self._running()
        self._observer.stepped(self._progress)

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Note that a worker has the trial, for the first time or again; a new worker gets ready first."""
        if worker_of(trial) in self._ready:
            self._started[trial.trial_id] = time.monotonic()

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Note that a worker begins the trial, or has ended it."""
        if not result["done"]:
            self._ready.add(worker_of(trial))
            self._started[trial.trial_id] = time.monotonic()

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Note that a worker died; another one is about to get its trial."""
        started = self._started.pop(trial.trial_id, None)
        if started is None or self._limit is None:
            return
        if time.monotonic() - started >= self._limit:
            self._on_overdue(trial.config)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Note that a trial has ended."""
        self._started.pop(trial.trial_id, None)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Note that a worker died for good."""
        self._started.pop(trial.trial_id, None)
