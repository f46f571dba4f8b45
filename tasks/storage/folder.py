"""A storage root that is a folder: on this machine, or one that nodes share, such as NFS."""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.storage import StorageError, nothing

LOOKED_AT_SECONDS = 1.0
"""For an instant a lock may be held by someone who only looks: `is_locked`."""


class FolderStorage:
    """Objects are files. A lock is the kernel's, and gone with its holder; NFS locks too."""

    takeover_seconds = 0.0
    readers = 1

    def __init__(self, folder: Path) -> None:
        self.root, self.folder = str(folder), folder

    def reach(self) -> None:
        """Nothing: what is not there is made by `check`."""

    def check(self) -> None:
        """Make the folder; raises StorageError if files cannot be made in it."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not os.access(self.folder, os.W_OK):
                raise PermissionError("permission denied")
        except OSError as error:
            raise StorageError(f"--storage {self.root}: cannot write there ({error})") from error

    def read(self, name: str) -> bytes | None:
        """The content of a file; None if there is none."""
        try:
            return (self.folder / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, name: str, content: bytes) -> None:
        """Write beside it, then rename."""
        with self._written(name, content) as partial:
            os.replace(partial, self.folder / name)

    def create(self, name: str, content: bytes) -> bool:
        """Write beside it, then link: the file system lets one of several do so."""
        with self._written(name, content) as partial:
            try:
                os.link(partial, self.folder / name)
            except FileExistsError:
                return False
            except OSError:  # no hard links here, as on some FUSE: callers hold a lock meanwhile
                if (self.folder / name).exists():
                    return False
                os.replace(partial, self.folder / name)
            return True

    def delete(self, name: str) -> None:
        """Remove a file, if it is there."""
        (self.folder / name).unlink(missing_ok=True)

    def names(self, folder: str = "", after: str = "") -> list[str]:
        """Files and, with a slash at the end, folders, sorted."""
        try:
            with os.scandir(self.folder / folder) as entries:
                kinds = [(e.name, e.is_dir(), e.is_file()) for e in entries]
        except (FileNotFoundError, NotADirectoryError):
            return []
        found = [
            f"{name}/" if is_dir else name for name, is_dir, is_file in kinds if is_dir or is_file
        ]
        return sorted(n for n in found if not n.startswith(".") and n > after)

    @contextmanager
    def lock(
        self,
        name: str,
        on_held: Callable[[], None] = nothing,
        on_lost: Callable[[], None] = nothing,
    ) -> Iterator[None]:
        """Hold a lock on a file, which stays there; it is never lost to another process."""
        from filelock import FileLock, Timeout

        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        try:
            lock.acquire(timeout=LOOKED_AT_SECONDS)
        except Timeout:
            on_held()
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def is_locked(self, name: str) -> bool:
        """Whether a process holds the lock on this file."""
        try:
            with open(self.folder / name) as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except BlockingIOError:
            return True
        return False

    @contextmanager
    def _written(self, name: str, content: bytes) -> Iterator[Path]:
        """A file with the content under a hidden name, on the disk; gone after the block."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        try:
            with open(partial, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            yield partial
        finally:
            partial.unlink(missing_ok=True)
