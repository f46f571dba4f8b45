"""Optuna's journal, which waits once per proposal instead of at every write; and the file it may be."""

from __future__ import annotations

import functools
import itertools
import json
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.storages.journal._storage import JournalStorageReplayResult

from tasks.storage.base import name_faulty_file
from tasks.storage.patience import retry_briefly

if TYPE_CHECKING:
    from orchestrator.search.object_journal import ObjectJournal

AT_A_TIME = 1000
"""Lines."""


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
        self._path, self._mutex = str(path), _Lock(str(path))
        with name_faulty_file(path):
            retry_briefly(lambda: mend(path))
            # Optuna would wait for it half a minute, and for ever if the folder was moved since.
            self._mutex.release()
            retry_briefly(lambda: super(JournalFile, self).__init__(self._path, self._mutex))
        self._in_block = False

    @contextmanager
    def together(self, *, sync: bool = True) -> Iterator[None]:
        """Hold the lock, and wait for the disk at the end, or if not `sync` when something else does."""
        with self._locked():
            self._in_block = True
            try:
                yield
            finally:
                self._in_block = False
                if sync:
                    self.sync()

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:  # type: ignore[override]
        """See JournalFileBackend; a part at a time, which is read again if that fails for a moment."""
        full = True
        while full:
            with name_faulty_file(Path(self._path)):
                part = retry_briefly(functools.partial(self._part, log_number_from))
            yield from part
            log_number_from += len(part)
            full = len(part) == AT_A_TIME

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write the lines; see JournalFileBackend."""
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        with (
            nullcontext() if self._in_block else self._locked(),
            name_faulty_file(Path(self._path)),
        ):
            _append(self._path, lines.encode())
        if not self._in_block:
            self.sync()

    def sync(self) -> None:
        """Wait until all that was written is on disk."""

        def flush() -> None:
            with open(self._path, "ab") as file:
                os.fsync(file.fileno())

        with name_faulty_file(Path(self._path)):
            retry_briefly(flush)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """While no other process writes: they wait until half a minute has passed without a write."""
        with name_faulty_file(Path(self._path)):
            self._mutex.acquire()
        try:
            yield
        finally:
            with name_faulty_file(Path(self._path)):
                self._mutex.release()

    def _part(self, number: int) -> list[dict[str, Any]]:
        return list(itertools.islice(super().read_logs(number), AT_A_TIME))


class _Lock(JournalFileSymlinkLock):
    """Optuna's lock, which any other writer takes too, for a file system that fails for a moment."""

    def acquire(self) -> bool:
        """See JournalFileSymlinkLock; raises OSError."""
        return retry_briefly(super().acquire)

    def release(self) -> None:
        """Remove the lock, if nobody has: others do who have waited for half a minute. Raises OSError."""
        retry_briefly(lambda: Path(self._lock_file).unlink(missing_ok=True))


def _append(path: str, content: bytes) -> None:
    """Append all of it or nothing: behind half a line no further one could be read."""
    before: int | None = None

    def put() -> None:
        nonlocal before
        with open(
            path, "ab", buffering=0
        ) as file:  # a buffer would try once more when it is closed
            if before is None:
                before = file.tell()
            else:
                file.truncate(before)  # an earlier try may have left some
            written = 0
            while written < len(content):
                written += file.write(content[written:]) or 0

    try:
        retry_briefly(put)
    except OSError:  # a full disk takes as much as fits
        if before is not None:
            retry_briefly(functools.partial(os.truncate, path, before))
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
