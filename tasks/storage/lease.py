"""A lock that is an object: the last writer holds it, as long as it renews the object in time.

A dead holder stops renewing, and another process takes over once the object is older than the lease.
A live holder that cannot reach the server gives up in time, by its own clock. The server tells the
age of an object, so clocks of nodes may differ. Every step is a PUT on the condition that the object
is unchanged since it was read, so that one of several processes wins.
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
from tasks.storage.base import do_nothing
from tasks.storage.s3_client import Patience

ABSENT = {"IfNoneMatch": "*"}
FREE = b""
RENEWALS = 6
"""Renewals per lease: all of them must fail before the lease is lost."""
CAUTION = 0.9
"""Share of a lease after which a holder that could not renew it regards it as lost."""


class Stored(NamedTuple):
    """An object on the server."""

    content: bytes
    etag: str
    age: float
    """Seconds since the object was written, by the server's clock: nodes' clocks may differ."""


class Objects(Protocol):
    """The operations of a bucket that a lease needs. Patience limits a request; raises StorageError."""

    def get(self, name: str, patience: Patience = ...) -> Stored | None:
        """Return the object of this name; None if there is none."""

    def put(
        self, name: str, content: bytes, condition: dict[str, str], patience: Patience = ...
    ) -> str | None:
        """Write the object on this condition; return its ETag, or None if the condition failed."""


class Lease:
    """One holder's claim to a name for `seconds`; a thread renews it from acquire to release."""

    def __init__(
        self,
        storage: Objects,
        name: str,
        seconds: float,
        patience: Patience,
        on_lost: Callable[[], None] = do_nothing,
    ) -> None:
        self._storage, self._name, self._seconds, self._on_lost = storage, name, seconds, on_lost
        self._patience = patience
        self._holder = f"{platform.node()} {os.getpid()} {uuid.uuid4().hex}"
        self._renewals = 0
        self._etag: str | None = None
        self._runs_out = 0.0
        """End of the lease by this process's clock, a little before its end for other processes."""
        self._over, self._mutex = threading.Event(), threading.Lock()
        """`_over` is set once the lease is released or lost."""
        self._renewer = threading.Thread(target=self._renew, daemon=True)
        self._watch = threading.Thread(target=self._watch_clock, daemon=True)

    def acquire(self, on_held: Callable[[], None]) -> None:
        """Wait until the lease is free and take it; call `on_held` once if a live holder is seen."""
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
                    on_held = do_nothing
                seen = current.etag
                time.sleep(min(1.0, self._seconds / RENEWALS / 2))
        self._renewer.start()
        self._watch.start()

    def release(self) -> None:
        """Free the lease immediately; if the server is unreachable, others wait until it expires."""
        with self._mutex:  # from here on, `on_lost` is not called any more
            lost = self._over.is_set()
            self._over.set()
        self._renewer.join(sum(self._patience[1:]))
        if lost or self._renewer.is_alive():
            return
        with contextlib.suppress(StorageError):
            if not self._free(str(self._etag)) and (etag := self._stored_etag(self._patience)):
                self._free(etag)

    def is_taken(self) -> bool:
        """Tell whether this lease was lost and another process holds the name; False if unknown."""
        if not self._over.is_set():
            return False
        try:
            current = self._storage.get(self._name, self._patience)
        except StorageError:
            return False
        return self.is_held(current) and not self._is_own(current)

    def is_held(self, stored: Stored | None) -> bool:
        """Tell whether the object is a claim that has not expired."""
        return stored is not None and stored.content != FREE and stored.age <= self._seconds

    def _renew(self) -> None:
        while not self._over.wait(self._seconds / RENEWALS):
            try:
                if not self._claim({"IfMatch": str(self._etag)}, self._patience):
                    return self._lose()
            except StorageError:
                continue  # the server may be reachable again before the lease expires

    def _watch_clock(self) -> None:
        """Notice that renewals fail or hang, independent of the thread that renews."""
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
        """Write the claim with a new number, so that its ETag shows the renewal; return success."""
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
        """Return the ETag of the stored claim if it is ours: the answer to our PUT may have been lost."""
        current = self._storage.get(self._name, *patience)
        return current.etag if current is not None and self._is_own(current) else None

    def _is_own(self, stored: Stored | None) -> bool:
        return stored is not None and stored.content.startswith(self._holder.encode())
