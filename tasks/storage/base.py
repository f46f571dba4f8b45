"""Where a sweep keeps rows, its configuration and trained models: one place for all nodes.

    open_root("./results")            a folder; on a cluster one that every node shares
    open_root("s3://bucket/prefix")   an S3 bucket, or a compatible server at AWS_ENDPOINT_URL

Names are relative paths with forward slashes. A reader gets a whole object, even if its writer dies.
A lock ends with its holder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from tasks.errors import StorageFault

S3 = "s3://"
T = TypeVar("T")


@contextmanager
def name_faulty_file(file: Path) -> Iterator[None]:
    """Raise errors of the file system in the block as StorageFault, which names the file."""
    try:
        yield
    except StorageFault:
        raise
    except OSError as error:
        named = error.filename or str(file)
        raise StorageFault(error.errno, error.strerror or str(error), named) from error


def do_nothing() -> None:
    """Do nothing: the default callback."""


def return_false() -> bool:
    """Return False: a lock that dies with its holder is never taken over."""
    return False


class Storage(Protocol):
    """A storage root. A failed operation raises StorageFault (a folder) or StorageError (S3)."""

    root: str
    """Path or URI of the root."""
    takeover_seconds: float
    """Seconds that a lock outlives a killed holder."""
    readers: int
    """Best number of objects to read at a time."""

    @property
    def folder(self) -> Path | None:
        """The root as a folder, for code that needs files; None for a bucket."""

    def reach(self) -> None:
        """Raise StorageError soon if the root cannot be reached. All other methods retry for longer."""

    def check(self) -> None:
        """Raise StorageError soon, with the reason in one line, unless objects can be written here."""

    def read(self, name: str) -> bytes | None:
        """Return the content of an object; None if there is no such object."""

    def write(self, name: str, content: bytes) -> None:
        """Replace the content of an object; a reader gets the old or the new content."""

    def create(self, name: str, content: bytes, settled: bool = True) -> bool:
        """Write an object unless it exists; return whether this writer did. One of several writers does.

        What is not `settled` survives the end of any process at once, and a power cut after `settle`.
        """

    def settle(self, names: Iterable[str]) -> None:
        """Wait until these objects survive a power cut; what is gone meanwhile is left out."""

    def delete(self, name: str) -> None:
        """Remove an object, if it exists."""

    def remove_folder(self, folder: str) -> None:
        """Remove all objects in a folder and below, and the folder; a kill leaves some of them."""

    def list_names(self, folder: str = "", after: str = "") -> list[str]:
        """List the names directly in a folder, sorted; only names after `after`.

        The name of a subfolder ends in a slash. Names that begin with a dot are left out.
        """

    def lock(
        self,
        name: str,
        on_held: Callable[[], None] = do_nothing,
        on_lost: Callable[[], None] = do_nothing,
    ) -> AbstractContextManager[Callable[[], bool]]:
        """Hold the lock for the duration of a block; wait as long as another holder lives.

        `on_held` is called once if there is another holder; an error in it ends the waiting.
        `on_lost` is called in another thread if this process cannot renew the lock, so that another
        process may take it over. The block receives a function that tells whether another has.
        """

    def is_locked(self, name: str) -> bool:
        """Tell whether the lock is held now, without writing anything."""


def read_several(storage: Storage, read: Callable[[str], T], names: Sequence[str]) -> Iterator[T]:
    """Yield `read(name)` for each name, in order; in a bucket, several reads wait at a time."""
    if min(storage.readers, len(names)) < 2:
        yield from map(read, names)
        return
    with ThreadPoolExecutor(storage.readers) as pool:
        yield from pool.map(read, names)
