"""A lock that is an object: whoever wrote it last holds it, as long as it is written anew in time.

A holder that dies stops renewing, and another takes over once the object is older than the lease. One
that lives and cannot reach the server stops in time, by its own clock.
Its age is the server's to say, so clocks of nodes may differ. Every step is a PUT on condition that
the object is still the one that was looked at, so that one of several wins.
"""

from __future__ import annotations

import contextlib
import os
import platform
import threading
import time
import uuid
from collections.abc import Callable
from typing import NamedTuple, Protocol

from tasks.errors import StorageError
from tasks.storage.base import nothing
from tasks.storage.s3_client import Patience

ABSENT = {"IfNoneMatch": "*"}
FREE = b""
RENEWALS = 6
"""Renewals in the time of a lease: all of them must fail before it is lost."""
CAUTION = 0.9
"""The share of a lease after which its holder, if it could not renew it, no longer counts on it."""


class Stored(NamedTuple):
    """An object as the server has it."""

    content: bytes
    etag: str
    age: float
    """Seconds since it was written, by the server's clock alone: nodes' clocks may differ."""


class Objects(Protocol):
    """What a lease needs of a bucket; a request takes as long as its Patience says. Raises StorageError."""

    def get(self, name: str, patience: Patience = ...) -> Stored | None:
        """The object of this name; None if there is none."""

    def put(
        self, name: str, content: bytes, condition: dict[str, str], patience: Patience = ...
    ) -> str | None:
        """Write the object on this condition; returns its ETag, or None if the condition did not hold."""


class Lease:
    """One holder's claim to a name; `seconds` long, renewed by a thread from acquire to release."""

    def __init__(
        self,
        storage: Objects,
        name: str,
        seconds: float,
        patience: Patience,
        on_lost: Callable[[], None] = nothing,
    ) -> None:
        self._storage, self._name, self._seconds, self._on_lost = storage, name, seconds, on_lost
        self._patience = patience
        self._holder = f"{platform.node()} {os.getpid()} {uuid.uuid4().hex}"
        self._renewals = 0
        self._etag: str | None = None
        self._runs_out = 0.0
        """By this process's own clock, a little before others would think so."""
        self._over, self._mutex = threading.Event(), threading.Lock()
        """Set once it was released or lost."""
        self._renewer = threading.Thread(target=self._renew, daemon=True)
        self._watch = threading.Thread(target=self._watch_clock, daemon=True)

    def acquire(self, on_held: Callable[[], None]) -> None:
        """Wait until nobody holds it; `on_held` is called once if a holder is seen to live."""
        seen: str | None = None
        while self._etag is None or time.monotonic() > self._runs_out:
            current = self._storage.get(self._name)
            if current is None:
                self._claim(ABSENT)
            elif not self.is_held(current) or current.etag == self._etag:
                self._claim({"IfMatch": current.etag})
            else:
                self._etag = None
                if seen is not None and current.etag != seen:  # renewed meanwhile
                    on_held()
                    on_held = nothing
                seen = current.etag
                time.sleep(min(1.0, self._seconds / RENEWALS / 2))
        self._renewer.start()
        self._watch.start()

    def release(self) -> None:
        """Let others have it at once; if they cannot be told, they wait until it has run out."""
        with self._mutex:  # `on_lost` is not called any more
            lost = self._over.is_set()
            self._over.set()
        self._renewer.join(sum(self._patience[1:]))
        if lost or self._renewer.is_alive():
            return
        with contextlib.suppress(StorageError):
            if not self._free(str(self._etag)) and (etag := self._stored_etag(self._patience)):
                self._free(etag)

    def is_taken(self) -> bool:
        """Whether this one was lost, and another process holds the name now; False if it cannot be seen."""
        if not self._over.is_set():
            return False
        try:
            current = self._storage.get(self._name, self._patience)
        except StorageError:
            return False
        return self.is_held(current) and not self._is_own(current)

    def is_held(self, stored: Stored | None) -> bool:
        """Whether the object, as it was read, is somebody's claim and not too old."""
        return stored is not None and stored.content != FREE and stored.age <= self._seconds

    def _renew(self) -> None:
        while not self._over.wait(self._seconds / RENEWALS):
            try:
                if not self._claim({"IfMatch": str(self._etag)}, self._patience):
                    return self._lose()
            except StorageError:
                continue  # it may be reached again before the lease has run out

    def _watch_clock(self) -> None:
        """Notice that renewals fail or hang, whatever they hang in."""
        while not self._over.wait(max(0.0, self._runs_out - time.monotonic())):
            if time.monotonic() >= self._runs_out:
                return self._lose()

    def _lose(self) -> None:
        with self._mutex:
            if self._over.is_set():
                return
            self._over.set()
        self._on_lost()

    def _claim(self, condition: dict[str, str], *patience: Patience) -> bool:
        """Write the claim, never twice the same, so that its ETag shows that it was renewed."""
        self._renewals += 1
        claim = f"{self._holder} {self._renewals}".encode()
        runs_out = time.monotonic() + CAUTION * self._seconds
        etag = self._storage.put(self._name, claim, condition, *patience)
        etag = etag or self._stored_etag(*patience)
        if etag is None:
            return False
        self._etag, self._runs_out = etag, runs_out
        return True

    def _free(self, etag: str) -> bool:
        return bool(self._storage.put(self._name, FREE, {"IfMatch": etag}, self._patience))

    def _stored_etag(self, *patience: Patience) -> str | None:
        """The ETag of the claim if it is this holder's: it was written, and the answer lost."""
        current = self._storage.get(self._name, *patience)
        return current.etag if current is not None and self._is_own(current) else None

    def _is_own(self, stored: Stored | None) -> bool:
        return stored is not None and stored.content.startswith(self._holder.encode())
