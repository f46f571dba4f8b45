"""The live view of a sweep: a line that renews itself in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.panel import Panel

from orchestrator.reporting.durations import spelled
from orchestrator.reporting.progress import Progress

LIVE_EVERY_SECONDS, PLAIN_EVERY_SECONDS = 0.25, 10.0
"""Tune's loop goes round hundreds of times a second in a large sweep, and a hypervolume takes a while."""
TRAINING_EVERY_SECONDS = 1.0


class View:
    """Says what is going on, on `console`."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._live: Live | None = None
        self._said = 0.0

    def say(self, text: str) -> None:
        """One line that stays."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def training(self, what: str, done: int, total: int, seconds: float) -> None:
        """Progress of a baseline's training."""
        if not done:
            suffix = f": {total} epochs" if total else ""
            return self.say(f"training the {what}{suffix}")
        if time.monotonic() - self._said < TRAINING_EVERY_SECONDS and done < total:
            return
        self._said = time.monotonic()
        left = seconds / done * (total - done)
        self.say(f"  {what}: epoch {done}/{total}, about {spelled(left)} left")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Around the search: in a terminal, a panel at the bottom."""
        if not self.console.is_terminal:
            yield
            return
        with Live(console=self.console, refresh_per_second=4) as self._live:
            yield
        self._live = None

    def update(self, progress: Progress, *, force: bool = False) -> None:
        """Show how far the sweep is; outside a terminal a line every ten seconds, or if forced."""
        every = PLAIN_EVERY_SECONDS if self._live is None else LIVE_EVERY_SECONDS
        if not force and time.monotonic() - self._said < every:
            return
        self._said = time.monotonic()
        if self._live is None:
            self.say(progress.line())
        else:
            self._live.update(Panel(progress.line().replace("; ", "\n"), title="sweep"))
