"""A lock that is an object: whoever wrote it last holds it, as long as it is written anew in time.

A holder that dies stops renewing, and another takes over once the object is older than the lease.
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
from typing import TYPE_CHECKING

from tasks.storage import StorageError, nothing

if TYPE_CHECKING:
    from tasks.storage.s3 import S3Storage, Stored

ABSENT = {"IfNoneMatch": "*"}
FREE = b""
RENEWALS = 6
"""Renewals in the time of a lease: all of them must fail before it is lost."""


class Lease:
    """One holder's claim to a name; `seconds` long, renewed by a thread from acquire to release."""

    def __init__(
        self,
        storage: S3Storage,
        name: str,
        seconds: float,
        on_lost: Callable[[], None] = nothing,
    ) -> None:
        self._storage, self._name, self._seconds, self._on_lost = storage, name, seconds, on_lost
        self._holder = f"{platform.node()} {os.getpid()} {uuid.uuid4().hex}"
        self._renewals = 0
        self._etag: str | None = None
        self._released = threading.Event()
        self._renewer = threading.Thread(target=self._renew, daemon=True)

    def acquire(self, on_held: Callable[[], None]) -> None:
        """Wait until nobody holds it; `on_held` is called once if a holder is seen to live."""
        seen: str | None = None
        while self._etag is None:
            current = self._storage.get(self._name)
            if current is None:
                self._etag = self._put(ABSENT)
            elif not self.is_held(current):
                self._etag = self._put({"IfMatch": current.etag})
            else:
                if seen is not None and current.etag != seen:  # renewed meanwhile
                    on_held()
                    on_held = nothing
                seen = current.etag
                time.sleep(min(1.0, self._seconds / RENEWALS / 2))
        self._renewer.start()

    def release(self) -> None:
        """Let others have it at once; if they cannot be told, they wait until it has run out."""
        self._released.set()
        self._renewer.join()
        with contextlib.suppress(StorageError):
            self._storage.put(self._name, FREE, {"IfMatch": str(self._etag)})

    def is_held(self, stored: Stored | None) -> bool:
        """Whether the object, as it was read, is somebody's claim and not too old."""
        return stored is not None and stored.content != FREE and stored.age <= self._seconds

    def _renew(self) -> None:
        while not self._released.wait(self._seconds / RENEWALS):
            try:
                etag = self._put({"IfMatch": str(self._etag)})
            except StorageError:
                continue  # it may be reached again before the lease has run out
            if etag is None:
                return self._on_lost()
            self._etag = etag

    def _put(self, condition: dict[str, str]) -> str | None:
        """Write the claim; its ETag, or None if the object is somebody else's.

        It is never twice the same, so that its ETag shows that it was renewed.
        """
        self._renewals += 1
        claim = f"{self._holder} {self._renewals}".encode()
        etag = self._storage.put(self._name, claim, condition)
        if etag is not None:
            return etag
        current = self._storage.get(self._name)  # ours, if an answer of the server was lost
        ours = current is not None and current.content.startswith(self._holder.encode())
        return current.etag if current is not None and ours else None
