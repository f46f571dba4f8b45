"""Observers of a running sweep: the terminal is one, exporters are others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.reporting.progress import Progress

Row = Mapping[str, Any]


class Observer:
    """Receiver of a sweep's events. Override the methods that you need; the others do nothing.

    The driver calls all methods in its main thread. An exception in a method ends the sweep.
    """

    def say(self, text: str) -> None:
        """Receive one line for a person: a notice, an estimate, the start of a step."""

    def training(self, what: str, done: float, total: int, seconds: float) -> None:
        """Receive the progress of a model's training: `done` of `total` epochs after `seconds`.

        Within an epoch that takes long, `done` is no whole number.
        """

    def started(self, progress: Progress) -> None:
        """Receive the start of the search. The models are trained and measured by then."""

    def trial_finished(self, rows: Sequence[Row], progress: Progress) -> None:
        """Receive the rows of a trial that has ended, in order of epoch."""

    def front_changed(self, progress: Progress) -> None:
        """Receive a change of the front: the trial that ended last has a point on it."""

    def stepped(self, progress: Progress) -> None:
        """Receive the progress of the search, after each step of Tune: up to hundreds a second."""

    def ended(self, progress: Progress) -> None:
        """Receive the end of the search, also if an error or a signal ends it."""


class Observers(Observer):
    """Several observers as one: each event goes to all, in this order."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)

    def say(self, text: str) -> None:
        """See Observer."""
        for observer in self._observers:
            observer.say(text)

    def training(self, what: str, done: float, total: int, seconds: float) -> None:
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
