"""The terminal as an observer: a panel that renews itself, plain lines where there is no terminal."""

from __future__ import annotations

import sys
import time

from rich.console import Console
from rich.live import Live
from rich.panel import Panel

from orchestrator.reporting.durations import spell_duration
from orchestrator.reporting.observer import Observer
from orchestrator.reporting.progress import Progress

LIVE_EVERY_SECONDS, PLAIN_EVERY_SECONDS = 0.25, 10.0
"""Tune's loop goes round hundreds of times a second in a large sweep, and a hypervolume takes a while."""
TRAINING_EVERY_SECONDS = 1.0
PLAIN_WIDTH = 150
"""Columns of the output where there is no terminal, so that no width is known."""


class Terminal(Observer):
    """Tells a person how a sweep goes, on `console`."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._live: Live | None = None
        self._said = 0.0

    def say(self, text: str) -> None:
        """Print one line that stays."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def training(self, what: str, done: int, total: int, seconds: float) -> None:
        """Print how far the training of a model is, once a second at most."""
        if not done:
            suffix = f": {total} epochs" if total else ""
            return self.say(f"training the {what}{suffix}")
        if time.monotonic() - self._said < TRAINING_EVERY_SECONDS and done < total:
            return
        self._said = time.monotonic()
        left = seconds / done * (total - done)
        self.say(f"  {what}: epoch {done}/{total}, about {spell_duration(left)} left")

    def started(self, progress: Progress) -> None:
        """Open a panel at the bottom of a terminal."""
        if self.console.is_terminal:
            self._live = Live(console=self.console, refresh_per_second=4)
            self._live.start()

    def stepped(self, progress: Progress) -> None:
        """Renew the panel; without a terminal, print a line every ten seconds."""
        every = PLAIN_EVERY_SECONDS if self._live is None else LIVE_EVERY_SECONDS
        if time.monotonic() - self._said >= every:
            self._show(progress)

    def ended(self, progress: Progress) -> None:
        """Close the panel, and print how far the sweep came."""
        if self._live is not None:
            self._live.stop()
            self._live = None
        self._show(progress)

    def _show(self, progress: Progress) -> None:
        self._said = time.monotonic()
        if self._live is None:
            self.say(progress.line())
        else:
            self._live.update(Panel(progress.line().replace("; ", "\n"), title="sweep"))


def open_console() -> Console:
    """Return where a command writes: as wide as the terminal, or wide enough where there is none."""
    return Console() if sys.stdout.isatty() else Console(width=PLAIN_WIDTH)
