"""Where a sweep keeps rows, its configuration and trained models: one place for all nodes.

    storage_at("./results")            a folder; on a cluster one that every node shares
    storage_at("s3://bucket/prefix")   an S3 bucket, or what speaks its protocol at AWS_ENDPOINT_URL

Names are relative paths with forward slashes. What is read is whole, whatever dies while it is
written, and a lock ends with its holder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from tasks.errors import StorageFault

S3 = "s3://"
T = TypeVar("T")


@contextmanager
def blamed(file: Path) -> Iterator[None]:
    """What the file system raises in the block, as a StorageFault that names the file."""
    try:
        yield
    except StorageFault:
        raise
    except OSError as error:
        named = error.filename or str(file)
        raise StorageFault(error.errno, error.strerror or str(error), named) from error


def nothing() -> None:
    """What is called when nobody wants to know."""


def never() -> bool:
    """What says whether a lock that dies with its holder was taken over."""
    return False


class Storage(Protocol):
    """A storage root. Whatever cannot be done raises StorageFault (a folder) or StorageError (S3)."""

    root: str
    """How it is spelled."""
    takeover_seconds: float
    """How long a lock outlives a holder that was killed."""
    readers: int
    """How many objects are best read at a time."""

    @property
    def folder(self) -> Path | None:
        """The folder that it is, for what can only work on files; None for a bucket."""

    def reach(self) -> None:
        """Raise StorageError soon if it cannot be reached; everything else is patient."""

    def check(self) -> None:
        """Raise StorageError soon, saying why in one line, unless objects can be written here."""

    def read(self, name: str) -> bytes | None:
        """The content; None if there is none of this name."""

    def write(self, name: str, content: bytes) -> None:
        """Put the content in the place of what was there: readers see the one or the other."""

    def create(self, name: str, content: bytes) -> bool:
        """The same, unless there is such a name already; of several writers one gets True."""

    def delete(self, name: str) -> None:
        """Remove it, if it is there."""

    def names(self, folder: str = "", after: str = "") -> list[str]:
        """What lies directly in a folder, sorted, the names beyond `after` alone.

        The name of a folder within ends in a slash; names that begin with a dot are left out.
        """

    def lock(
        self,
        name: str,
        on_held: Callable[[], None] = nothing,
        on_lost: Callable[[], None] = nothing,
    ) -> AbstractContextManager[Callable[[], bool]]:
        """Hold the lock for the length of a block; wait for it as long as another holder lives.

        `on_held` is called once if one does; what it raises ends the waiting. `on_lost` is called,
        in another thread, if another process may take over because this one cannot say that it
        lives. The block is given a function that says whether one has.
        """

    def is_locked(self, name: str) -> bool:
        """Whether somebody holds the lock now; looks without writing."""


def several_at_a_time(
    storage: Storage, read: Callable[[str], T], names: Sequence[str]
) -> Iterator[T]:
    """What `read` returns for each name, in order; for a bucket it is waiting that takes the time."""
    if min(storage.readers, len(names)) < 2:
        yield from map(read, names)
        return
    with ThreadPoolExecutor(storage.readers) as pool:
        yield from pool.map(read, names)
