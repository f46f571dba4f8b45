"""What is told of a sweep while it runs, and to whom: the terminal is one observer, others export."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.reporting.progress import Progress

Row = Mapping[str, Any]


class Observer:
    """Somebody who is told how a sweep goes. Override what is of interest; the rest does nothing.

    All methods are called in the driver's process, in its main thread. What one raises ends the sweep.
    """

    def say(self, text: str) -> None:
        """Take one line for a person: a notice, an estimate, what begins."""

    def training(self, what: str, done: int, total: int, seconds: float) -> None:
        """Take how far the training of a model is: `done` of `total` epochs after `seconds`."""

    def started(self, progress: Progress) -> None:
        """Take note that the search begins: the models are trained and measured."""

    def trial_finished(self, rows: Sequence[Row], progress: Progress) -> None:
        """Take the rows of a trial that has ended, in order of epoch."""

    def front_changed(self, progress: Progress) -> None:
        """Take note that the trial that ended last has put a point on the front."""

    def stepped(self, progress: Progress) -> None:
        """Take how far the search is: called between two steps of Tune, up to hundreds a second."""

    def ended(self, progress: Progress) -> None:
        """Take note that the search is over, also if an error or a signal ends it."""


class Observers(Observer):
    """Several observers, told in this order."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)

    def say(self, text: str) -> None:
        """See Observer."""
        for observer in self._observers:
            observer.say(text)

    def training(self, what: str, done: int, total: int, seconds: float) -> None:
        """See Observer."""
        for observer in self._observers:
            observer.training(what, done, total, seconds)

    def started(self, progress: Progress) -> None:
        """See Observer."""
        for observer in self._observers:
            observer.started(progress)

    def trial_finished(self, rows: Sequence[Row], progress: Progress) -> None:
        """See Observer."""
        for observer in self._observers:
            observer.trial_finished(rows, progress)

    def front_changed(self, progress: Progress) -> None:
        """See Observer."""
        for observer in self._observers:
            observer.front_changed(progress)

    def stepped(self, progress: Progress) -> None:
        """See Observer."""
        for observer in self._observers:
            observer.stepped(progress)

    def ended(self, progress: Progress) -> None:
        """See Observer."""
        for observer in self._observers:
            observer.ended(progress)
