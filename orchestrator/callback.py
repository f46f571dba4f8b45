"""What the driver does between two steps of Tune's loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ray.tune import Callback

from orchestrator.progress import Progress
from orchestrator.view import View


class ProgressCallback(Callback):
    """Shows a Progress, which the searcher feeds, in a View.

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
