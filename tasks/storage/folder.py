"""A storage root that is a folder: on this machine, or one that nodes share, such as NFS."""

from __future__ import annotations

import errno
import fcntl
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tasks.errors import StorageError
from tasks.storage.base import blamed, never, nothing
from tasks.storage.patience import patiently

LOOKED_AT_SECONDS = 1.0
"""For an instant a lock may be held by someone who only looks: `is_locked`."""
UNSUPPORTED = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL)
"""What a file system says to what it cannot do at all, as FUSE, SMB and some NFS do."""
CREATING = ".creating"
PROBE = b"a file that is there for a moment"


class FolderStorage:
    """Objects are files. A lock is the kernel's, and gone with its holder; NFS locks too."""

    takeover_seconds = 0.0
    readers = 1

    def __init__(self, folder: Path) -> None:
        self.root, self.folder = str(folder), folder

    def reach(self) -> None:
        """Nothing: what is not there is made by `check`."""

    def check(self) -> None:
        """Make the folder; raises StorageError if files cannot be made, read and locked in it.

        Permissions do not say so: the server of an NFS folder may map root to nobody.
        """
        try:
            with self._written("check", PROBE) as probe:
                if probe.read_bytes() != PROBE:
                    raise OSError("what was written there is read differently")
                locks = _locks(probe)
        except OSError as error:
            raise StorageError(f"--storage {self.root}: cannot write there ({error})") from error
        if not locks:
            raise StorageError(
                f"--storage {self.root}: files cannot be locked there (flock), so two drivers could "
                "not tell each other; mount it with locks, or use another folder"
            )

    def read(self, name: str) -> bytes | None:
        """The content of a file; None if there is none."""
        path = self.folder / name
        with blamed(path):
            try:
                return patiently(path.read_bytes)
            except (FileNotFoundError, NotADirectoryError):
                return None

    def write(self, name: str, content: bytes) -> None:
        """Write beside it, then rename."""

        def put() -> None:
            with self._written(name, content) as partial:
                os.replace(partial, self.folder / name)
                _sync(partial.parent)

        with blamed(self.folder / name):
            patiently(put)

    def create(self, name: str, content: bytes) -> bool:
        """Write beside it, then link: the file system lets one of several do so."""
        tries = 0

        def put() -> bool:
            nonlocal tries
            tries += 1
            with self._written(name, content) as partial:
                linked = _linked(partial, self.folder / name)
                _sync(partial.parent)
                return linked

        with blamed(self.folder / name):
            # An earlier try may have linked it, and failed only then.
            return patiently(put) or (tries > 1 and self.read(name) == content)

    def delete(self, name: str) -> None:
        """Remove a file, if it is there."""
        with blamed(self.folder / name):
            patiently(lambda: (self.folder / name).unlink(missing_ok=True))

    def names(self, folder: str = "", after: str = "") -> list[str]:
        """Files and, with a slash at the end, folders, sorted."""

        def listed() -> list[tuple[str, bool, bool]]:
            with os.scandir(self.folder / folder) as entries:
                return [(e.name, e.is_dir(), e.is_file()) for e in entries]

        with blamed(self.folder / folder):
            try:
                kinds = patiently(listed)
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
    ) -> Iterator[Callable[[], bool]]:
        """Hold a lock on a file, which stays there; it is never lost to another process."""
        from filelock import FileLock, Timeout

        path = self.folder / name
        lock = FileLock(path)
        with blamed(path):
            patiently(lambda: path.parent.mkdir(parents=True, exist_ok=True))
            with suppress(Timeout):
                patiently(lambda: lock.acquire(timeout=LOOKED_AT_SECONDS))
        if not lock.is_locked:
            on_held()
            with blamed(path):
                patiently(lock.acquire)
        try:
            yield never
        finally:
            patiently(lock.release)

    def is_locked(self, name: str) -> bool:
        """Whether a process holds the lock on this file."""

        def looked() -> None:
            with open(self.folder / name) as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)

        with blamed(self.folder / name):
            try:
                patiently(looked)
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


def _linked(partial: Path, path: Path) -> bool:
    """Give the file its name unless there is such a file already."""
    try:
        os.link(partial, path)
    except FileExistsError:
        with suppress(FileNotFoundError):  # it was removed meanwhile
            if os.path.getsize(path) == 0:  # perhaps its content comes: see `_replaced_own`
                with _only_creator(path.parent):
                    pass
        return False
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        with _only_creator(path.parent):
            return _replaced_own(partial, path)
    return True


@contextmanager
def _only_creator(folder: Path) -> Iterator[None]:
    """While nobody else who lives is in this block for the folder, which gets a hidden file for it."""
    with open(folder / CREATING, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _replaced_own(partial: Path, path: Path) -> bool:
    """Where there are no hard links: claim the name with an empty file, and put the whole one there.

    A process that is killed in between leaves the empty file, which readers take for damage. Who
    found the name taken waits for one that lives, or would replace what comes as damaged.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        return False
    try:
        os.replace(partial, path)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return True


def _sync(folder: Path) -> None:
    """Wait until a name in the folder is on the disk, where the file system can do that."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
    finally:
        os.close(file)


def _locks(path: Path) -> bool:
    """Whether the file system can lock a file."""
    with open(path, "rb+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (*UNSUPPORTED, errno.ENOLCK):
                raise
            return False
    return True
