"""Optuna's journal, which waits once per proposal instead of at every write; and the file it may be."""

from __future__ import annotations

import errno
import itertools
import json
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.storages.journal._file import LOCK_FILE_SUFFIX
from optuna.storages.journal._storage import JournalStorageReplayResult

from tasks.storage import blamed

if TYPE_CHECKING:
    from orchestrator.object_journal import ObjectJournal


class Backend(Protocol):
    """What keeps the entries of a journal."""

    def together(self, *, sync: bool = True) -> AbstractContextManager[None]:
        """See `Journal.together`."""


class Journal(JournalStorage):
    """A journal in which writes that belong together cost one wait for the disk, or one request.

    A proposal is about eight writes, and each would take milliseconds. A process that is killed
    loses no block that has ended; only a power cut could lose the writes since the last sync, and
    the store still knows what was run: see `UnlearnerStudy.recover`.
    """

    def __init__(self, backend: JournalFile | ObjectJournal) -> None:
        self._entries: Backend = backend
        super().__init__(backend)

    def together(self, *, sync: bool = True) -> AbstractContextManager[None]:
        """Writes inside the block are stored when it has ended, or if not `sync` with the next that are.

        Blocks do not nest.
        """
        return self._entries.together(sync=sync)


class JournalFile(JournalFileBackend):
    """A journal file, mended; the lines are JournalFileBackend's own, only synced less often.

    Whoever opens it holds the sweep: a lock that is there was left by a driver that was killed.
    """

    def __init__(self, path: Path) -> None:
        mend(path)
        # Optuna would wait for it half a minute, and for ever if the folder was moved since.
        path.with_name(path.name + LOCK_FILE_SUFFIX).unlink(missing_ok=True)
        self._path, self._mutex = str(path), JournalFileSymlinkLock(str(path))
        super().__init__(self._path, self._mutex)
        self.synced = True

    @contextmanager
    def together(self, *, sync: bool = True) -> Iterator[None]:
        """Wait for the disk at the end of the block, or if not `sync` when something else does."""
        self.synced = False
        try:
            yield
        finally:
            self.synced = True
            if sync:
                self.sync()

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write the lines; see JournalFileBackend."""
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        with blamed(Path(self._path)):
            self._mutex.acquire()
            try:
                _append(self._path, lines.encode())
            finally:
                self._release()
        if self.synced:
            self.sync()

    def _release(self) -> None:
        try:
            self._mutex.release()
        except RuntimeError as error:  # what Optuna makes of any OSError there
            raise OSError(errno.EIO, "its lock cannot be removed", self._path) from error

    def sync(self) -> None:
        """Wait until all that was written is on disk."""
        with blamed(Path(self._path)), open(self._path, "ab") as file:
            os.fsync(file.fileno())


def _append(path: str, content: bytes) -> None:
    """Append all of it or nothing: behind half a line no further one could be read."""
    with open(path, "ab", buffering=0) as file:  # a buffer would try once more when it is closed
        before, written = file.tell(), 0
        try:
            while written < len(content):
                written += file.write(content[written:]) or 0
        except OSError:  # a full disk takes as much as fits
            os.truncate(path, before)
            raise


def mend(journal: Path) -> None:
    """Cut a journal before its first line that Optuna cannot follow: a machine may die while it writes.

    Optuna reads no further than half a line, and would write its next one behind it; from what a bad
    disk has altered it raises whatever it stumbles over. What is cut off is kept beside the journal.
    """
    if not journal.exists():
        return
    whole, replay = 0, JournalStorageReplayResult("")
    with journal.open("rb") as file:
        for line in file:
            if not _follows(line, replay):
                break
            whole += len(line)
        file.seek(whole)
        rest = file.read()
    if rest:
        names = (f"{journal.name}.damaged{n or ''}" for n in itertools.count())
        kept = next(file for file in map(journal.with_name, names) if not file.exists())
        kept.write_bytes(rest)
        os.truncate(journal, whole)


def _follows(line: bytes, replay: JournalStorageReplayResult) -> bool:
    """Whether it is a whole record that makes sense after those that were replayed; replays it."""
    if not line.endswith(b"\n"):
        return False
    try:
        replay.apply_logs([json.loads(line)])
    except Exception:  # Optuna has no one class for it
        return False
    return True
