"""A storage root that is a folder: on this machine, or one that nodes share, such as NFS."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tasks.errors import StorageError
from tasks.storage.base import do_nothing, name_faulty_file, return_false
from tasks.storage.patience import retry_briefly

LOOKED_AT_SECONDS = 1.0
"""Wait this long for a lock before it counts as held: `is_locked` holds it for an instant."""
UNSUPPORTED = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL)
"""Error codes for unsupported operations, from FUSE, SMB and some NFS."""
CREATING = ".creating"
PROBE = b"a file that is there for a moment"


class FolderStorage:
    """Objects are files. A lock is a lock of the kernel, which ends with its holder, also on NFS."""

    takeover_seconds = 0.0
    readers = min(4, len(os.sched_getaffinity(0)))
    """A file is read at once; but its reader checks and decodes it too, for which one core is slow."""

    def __init__(self, folder: Path) -> None:
        self.root, self.folder = str(folder), folder

    def reach(self) -> None:
        """Do nothing: `check` makes a missing folder."""

    def check(self) -> None:
        """Make the folder; raise StorageError if files cannot be written, read and locked in it.

        A real file is tried, because permissions are no proof: an NFS server may map root to nobody.
        """
        try:
            with self._written("check", PROBE) as probe:
                if probe.read_bytes() != PROBE:
                    raise OSError("a file there has other content than was written")
                locks = _can_lock(probe)
        except OSError as error:
            raise StorageError(f"--storage {self.root}: cannot write there ({error})") from error
        if not locks:
            raise StorageError(
                f"--storage {self.root}: files cannot be locked there (flock), so two drivers could "
                "not notice each other; mount it with locks, or use another folder"
            )

    def read(self, name: str) -> bytes | None:
        """Return the content of a file; None if there is no such file."""
        path = self.folder / name
        with name_faulty_file(path):
            try:
                return retry_briefly(path.read_bytes)
            except (FileNotFoundError, NotADirectoryError):
                return None

    def write(self, name: str, content: bytes) -> None:
        """Write a hidden file in the same folder, then rename it."""

        def put() -> None:
            with self._written(name, content) as partial:
                os.replace(partial, self.folder / name)
                _sync(partial.parent)

        with name_faulty_file(self.folder / name):
            retry_briefly(put)

    def create(self, name: str, content: bytes, settled: bool = True) -> bool:
        """Write a hidden file, then link it: the file system lets only one of several writers do that."""
        tries = 0

        def put() -> bool:
            nonlocal tries
            tries += 1
            with self._written(name, content, settled) as partial:
                linked = _link(partial, self.folder / name)
                if settled:
                    _sync(partial.parent)
                return linked

        with name_faulty_file(self.folder / name):
            # An earlier try may have linked the file and failed after that.
            return retry_briefly(put) or (tries > 1 and self.read(name) == content)

    def settle(self, names: Iterable[str]) -> None:
        """Wait for the disk, once for the folder of all of these files.

        A wait that failed is not tried again: a kernel tells of lost content once, and then that all is well.
        """
        paths = [self.folder / name for name in names]
        for path in (*paths, *{path.parent for path in paths}):
            with name_faulty_file(path), suppress(FileNotFoundError):
                _sync(path)

    def delete(self, name: str) -> None:
        """Remove a file, if it exists."""
        with name_faulty_file(self.folder / name):
            retry_briefly(lambda: (self.folder / name).unlink(missing_ok=True))

    def remove_folder(self, folder: str) -> None:
        """Remove a folder with all that is in it, if it exists."""

        def remove() -> None:
            with suppress(FileNotFoundError):
                shutil.rmtree(self.folder / folder)

        with name_faulty_file(self.folder / folder):
            retry_briefly(remove)

    def list_names(self, folder: str = "", after: str = "") -> list[str]:
        """List files and, with a slash at the end, folders, sorted."""

        def list_entries() -> list[tuple[str, bool, bool]]:
            with os.scandir(self.folder / folder) as entries:
                return [(e.name, e.is_dir(), e.is_file()) for e in entries]

        with name_faulty_file(self.folder / folder):
            try:
                kinds = retry_briefly(list_entries)
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
        on_held: Callable[[], None] = do_nothing,
        on_lost: Callable[[], None] = do_nothing,
    ) -> Iterator[Callable[[], bool]]:
        """Hold a lock on a file, which is not deleted. The lock is never lost to another process."""
        from filelock import FileLock, Timeout

        path = self.folder / name
        lock = FileLock(path)
        with name_faulty_file(path):
            retry_briefly(lambda: path.parent.mkdir(parents=True, exist_ok=True))
            with suppress(Timeout):
                retry_briefly(lambda: lock.acquire(timeout=LOOKED_AT_SECONDS))
        if not lock.is_locked:
            on_held()
            with name_faulty_file(path):
                retry_briefly(lock.acquire)
        try:
            yield return_false
        finally:
            retry_briefly(lock.release)

    def is_locked(self, name: str) -> bool:
        """Tell whether a process holds the lock on this file."""

        def try_lock() -> None:
            with open(self.folder / name) as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)

        with name_faulty_file(self.folder / name):
            try:
                retry_briefly(try_lock)
            except (FileNotFoundError, NotADirectoryError):
                return False
            except BlockingIOError:
                return True
        return False

    @contextmanager
    def _written(self, name: str, content: bytes, settled: bool = True) -> Iterator[Path]:
        """Yield a hidden file with the content, if `settled` on the disk; delete it after the block."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        try:
            with open(partial, "wb") as file:
                file.write(content)
                if settled:
                    file.flush()
                    os.fsync(file.fileno())
            yield partial
        finally:
            partial.unlink(missing_ok=True)


def _link(partial: Path, path: Path) -> bool:
    """Give the file its name unless such a file exists; return whether it did."""
    try:
        os.link(partial, path)
    except FileExistsError:
        with suppress(FileNotFoundError):  # the file was removed meanwhile
            if os.path.getsize(path) == 0:  # its content may come soon, see `_claim_and_replace`
                with _only_creator(path.parent):
                    pass
        return False
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        with _only_creator(path.parent):
            return _claim_and_replace(partial, path)
    return True


@contextmanager
def _only_creator(folder: Path) -> Iterator[None]:
    """Enter the block alone among live processes, by a lock on a hidden file of the folder."""
    with open(folder / CREATING, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _claim_and_replace(partial: Path, path: Path) -> bool:
    """Claim the name with an empty file, then replace it: the way without hard links.

    Returns False if the name was taken. A process that is killed in between leaves the empty file,
    which readers treat as damaged. A process that found the name taken waits for a live writer: else
    it would replace the coming file as damaged.
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


def _sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk, if the file system supports that."""
    file = retry_briefly(lambda: os.open(path, os.O_RDONLY))
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
    finally:
        os.close(file)


def _can_lock(path: Path) -> bool:
    """Tell whether the file system can lock a file."""
    with open(path, "rb+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (*UNSUPPORTED, errno.ENOLCK):
                raise
            return False
    return True
