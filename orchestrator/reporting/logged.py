"""The loggers of a sweep as one observer: a thread of its own feeds them, so that none can stop or slow the search."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from orchestrator.loggers import open_loggers
from orchestrator.loggers.base import Logger, Row
from orchestrator.reporting.observer import Observer, Observers
from orchestrator.reporting.progress import Progress
from orchestrator.results.store import read_finished_trials, read_stored_rows

PATIENCE_SECONDS = 120.0
"""Time for a logger to log one more trial when the search has ended; then the sweep ends without it."""
KEY = "trial_key"
"""Column by which the rows of a trial are found in the store."""


class LoggedSweep(Observer):
    """Gives each logger the stored rows of every trial and model: those of earlier drivers, then each that ends."""

    def __init__(
        self, loggers: Sequence[Logger], storage: str, sweep: str, say: Callable[[str], None]
    ) -> None:
        """`say` receives the notice of a logger that fails, in the thread of the driver."""
        self._loggers, self._storage, self._sweep, self._say = list(loggers), storage, sweep, say
        self._keys: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._notices: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._busy_since = time.monotonic()
        self._thread = threading.Thread(target=self._work, name="loggers", daemon=True)

    def started(self, progress: Progress) -> None:
        """Begin to log, with what is stored already."""
        self._thread.start()

    def trial_finished(self, rows: Sequence[Row], progress: Progress) -> None:
        """Log one trial more, by and by."""
        if rows[-1].get(KEY):
            self._keys.put(rows[-1][KEY])

    def stepped(self, progress: Progress) -> None:
        """Pass on what the loggers have to say."""
        while not self._notices.empty():
            self._say(self._notices.get())

    def ended(self, progress: Progress) -> None:
        """Wait until all is logged, as long as the loggers get on."""
        self._busy_since = time.monotonic()  # the thread may have had nothing to do for long
        self._keys.put(None)
        while self._thread.is_alive():
            self._thread.join(0.1)
            if time.monotonic() - self._busy_since > PATIENCE_SECONDS:
                self._say(
                    f"NOTICE: {', '.join(logger.shown for logger in self._loggers)}: no trial could be logged for "
                    f"{PATIENCE_SECONDS:.0f} s; what is missing there is logged by `orchestrator resume`"
                )
                break
        self.stepped(progress)

    def _work(self) -> None:
        """Log until the end is asked for, or no logger is left."""
        self._try(lambda logger: logger.begin(self._sweep))
        seen: set[str] = set()
        for rows in self._read_stored():
            self._log(rows)
            seen.add(rows[-1][KEY])
        while self._loggers and (key := self._keys.get()) is not None:
            if key not in seen:
                self._log(self._read_trial(key))
        self._try(lambda logger: logger.end())

    def _log(self, rows: Sequence[Row]) -> None:
        if rows:
            self._try(lambda logger: logger.log(rows))

    def _try(self, work: Callable[[Logger], None]) -> None:
        """Do something with each logger; one that fails gets no more work."""
        for logger in list(self._loggers):
            self._busy_since = time.monotonic()
            try:
                work(logger)
            except (Exception, SystemExit) as error:  # other people's code: whatever it raises
                self._loggers.remove(logger)
                self._notices.put(_spell_notice(logger, error))

    def _read_stored(self) -> list[list[dict[str, Any]]]:
        """Return the rows of each trial and model that has ended; none if the storage is away."""
        try:
            return list(read_finished_trials(self._storage, self._sweep).values())
        except Exception as error:
            self._give_up(error)
            return []

    def _read_trial(self, key: str) -> list[dict[str, Any]]:
        try:
            return read_stored_rows(self._storage, self._sweep, key)
        except Exception as error:
            self._give_up(error)
            return []

    def _give_up(self, error: Exception) -> None:
        """End all loggers, because the rows cannot be read."""
        self._notices.put(f"NOTICE: the loggers cannot read the rows ({error}); the sweep goes on")
        self._loggers.clear()


def add_loggers(observer: Observer, specs: Sequence[str], storage: str, sweep: str) -> Observer:
    """Return the observer joined by the loggers that `specs` name; it receives their notices."""
    if not specs:
        return observer
    return Observers([observer, LoggedSweep(open_loggers(specs), storage, sweep, observer.say)])


def _spell_notice(logger: Logger, error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return (
        f"NOTICE: {logger.shown} logs no longer ({logger.hide(lines[0])}); the sweep goes on, and `orchestrator "
        "resume` with the same --log logs what is missing"
    )
