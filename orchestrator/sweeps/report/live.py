"""The page of a sweep as an observer of it: written again as trials end, for `sweep --report`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from orchestrator.config import SweepConfig
from orchestrator.reporting.observer import Observer, Row
from orchestrator.reporting.progress import Progress
from orchestrator.sweeps.report.write import EVERY_SECONDS, read_contents, write_page
from orchestrator.sweeps.status import UNFINISHED

SHARE = 0.05
"""Most of the driver's time that goes into the page: a page of many rows takes seconds."""


class ReportPage(Observer):
    """Writes the page of one sweep, at most every EVERY_SECONDS, and a last time in the end.

    A page that cannot be written ends no sweep: `tell` is given the reason, once.
    """

    def __init__(self, config: SweepConfig, path: Path, tell: Observer) -> None:
        """`config` names the sweep; `path` is the file, which `check_page` has checked."""
        self._config, self._path, self._tell = config, path, tell
        self._next, self._failed = 0.0, False

    def started(self, progress: Progress) -> None:
        """Write the page with the models alone."""
        self._write(EVERY_SECONDS)

    def trial_finished(self, rows: Sequence[Row], progress: Progress) -> None:
        """Write the page, if the last one is old enough."""
        if time.monotonic() >= self._next:
            self._write(EVERY_SECONDS)

    def ended(self, progress: Progress) -> None:
        """Write the page that does not load itself again."""
        self._write(None)

    def _write(self, refresh: float | None) -> None:
        start = time.monotonic()
        try:
            contents = read_contents([self._config])
            if refresh is None:  # this driver holds its sweep until it returns
                contents = [replace(content, state=UNFINISHED) for content in contents]
            write_page(contents, self._path, refresh=refresh)
        except OSError as error:
            if not self._failed:
                self._tell.say(f"NOTICE: the page {self._path} cannot be written: {error}")
            self._failed = True
        end = time.monotonic()
        self._next = end + max(EVERY_SECONDS, (end - start) / SHARE)
