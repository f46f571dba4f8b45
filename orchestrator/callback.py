"""What the driver does between two steps of Tune's loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ray.tune import Callback

from orchestrator.progress import Progress
from orchestrator.view import View


class ProgressCallback(Callback):
    """Feeds a Progress and a View from Tune's events.

    `running` says how many trials run; `checks` are called between two steps of Tune's loop, where
    what they raise ends it.
    """

    def __init__(
        self,
        progress: Progress,
        view: View,
        running: Callable[[], int],
        checks: Sequence[Callable[[], None]],
    ) -> None:
        self._progress, self._view = progress, view
        self._running, self._checks = running, checks

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles its callbacks with the experiment; none is ever restored."""
        return {}

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Tune's loop has gone round once."""
        for check in self._checks:
            check()
        self._progress.running = self._running()
        self._view.update(self._progress)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial has ended; if it could not store its rows, it will be run again."""
        if "unstored" not in trial.last_result:
            self._progress.finish(trial.last_result.get("rows") or [{"state": "failed"}])

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A worker died for good."""
        self._progress.finish([{"state": "failed"}])
