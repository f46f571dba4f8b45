"""The terminal as an observer: a live panel, or plain lines if the output is no terminal."""

from __future__ import annotations

import sys
import time
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.panel import Panel

from orchestrator.reporting.cells import make_cell
from orchestrator.reporting.durations import spell_duration, spell_epochs
from orchestrator.reporting.observer import Observer
from orchestrator.reporting.progress import Progress
from orchestrator.results.plain_text import make_plain

LIVE_EVERY_SECONDS, PLAIN_EVERY_SECONDS = 0.25, 10.0
"""Seconds between two updates. Tune steps hundreds of times a second, and a hypervolume is slow."""
TRAINING_EVERY_SECONDS = 1.0
PLAIN_WIDTH = 150
"""Columns of the output if it is no terminal, so that its width is unknown."""


class Terminal(Observer):
    """Prints the progress of a sweep on `console`."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._live: Live | None = None
        self._said = 0.0

    def say(self, text: str) -> None:
        """Print one line that stays."""
        self.console.print(make_plain(text), highlight=False, markup=False, soft_wrap=True)

    def training(self, what: str, done: float, total: int, seconds: float) -> None:
        """Print the progress of a model's training, at most once a second; `done` may be a part of an epoch."""
        if not done:
            suffix = f": {total} epochs" if total else ""
            return self.say(f"training the {what}{suffix}")
        if time.monotonic() - self._said < TRAINING_EVERY_SECONDS and done < total:
            return
        self._said = time.monotonic()
        left = seconds / done * (total - done)
        self.say(f"  {what}: {spell_epochs(done, total)}, about {spell_duration(left)} left")

    def started(self, progress: Progress) -> None:
        """Open a panel at the bottom of a terminal that can move its cursor."""
        if self.console.is_terminal and not self.console.is_dumb_terminal:
            # At the end the panel goes: the line below it says the same, and stays.
            self._live = Live(console=self.console, refresh_per_second=4, transient=True)
            self._live.start()

    def stepped(self, progress: Progress) -> None:
        """Update the panel; without one, print a line every ten seconds."""
        every = PLAIN_EVERY_SECONDS if self._live is None else LIVE_EVERY_SECONDS
        if time.monotonic() - self._said >= every:
            self._show(progress)

    def ended(self, progress: Progress) -> None:
        """Close the panel, and print the final progress."""
        if self._live is not None:
            self._live.stop()
            self._live = None
        self._show(progress)

    def _show(self, progress: Progress) -> None:
        self._said = time.monotonic()
        if self._live is None:
            self.say(progress.format_line())
        else:
            self._live.update(
                Panel(make_cell(progress.format_line().replace("; ", "\n")), title="sweep")
            )


def open_console(file: TextIO | None = None) -> Console:
    """Return the console of a command, or one that writes to `file`: as wide as the terminal, else PLAIN_WIDTH columns.

    It has no emoji: `digits-loss:top:60` would be printed with one.
    """
    width = None if file is None and sys.stdout.isatty() else PLAIN_WIDTH
    return Console(file=file, width=width, emoji=False)
