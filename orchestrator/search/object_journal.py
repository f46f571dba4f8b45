"""Optuna's journal where there are no files to append to: objects of one entry or several, numbered.

    <folder>/000000000042              the entry as JSON, or a list; the number is the first one's
    <folder>.damaged/000000000042      an object that made no sense there, and those after it

They are written by creating the object of the next number, which one of several writers can: the
others go on behind it. So no entry is lost, and all read them in one order.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from optuna.storages.journal import BaseJournalBackend
from optuna.storages.journal._storage import JournalStorageReplayResult

from tasks.errors import StorageError
from tasks.storage.base import Storage, read_several

Entry = dict[str, Any]


class ObjectJournal(BaseJournalBackend):
    """The journal in a folder of a storage."""

    def __init__(self, storage: Storage, folder: str) -> None:
        self._storage, self._folder = storage, folder
        self._next = 0
        """All entries before this one are there, and an object ends before it."""
        self._own: dict[int, Entry] = {}
        """Entries that are known here and were not read since: the next read need not ask for them."""
        self._block: list[Entry] | None = None
        """Entries that will be written when a block ends."""
        self._alone = False
        """Whether nobody else should write: who does so all the same is met at the next number."""

    def hold(self) -> None:
        """Put aside the first object that Optuna cannot follow and those after it, as `journal.mend` does.

        Only for who holds the sweep, and is alone in writing: from now on a read does not ask for
        entries of others. Raises StorageError.
        """
        names = self._storage.list_names(self._folder)
        replay, whole = JournalStorageReplayResult(""), 0
        for name, content in zip(
            names, read_several(self._storage, self._content, names), strict=True
        ):
            entries = _following(content, replay) if name == _name(self._next) else []
            if not entries:
                break
            self._own.update(enumerate(entries, self._next))
            self._next += len(entries)
            whole += 1
        self._put_aside(names[whole:])
        self._alone = True

    def read_logs(self, log_number_from: int) -> Iterator[Entry]:
        """The entries from this number on; raises StorageError for one that is damaged.

        Own entries that follow are given first, alone: what others wrote after them comes with
        the next read.
        """
        if log_number_from in self._own:
            yield from self._own_from(log_number_from)
            return
        written = self._next + len(self._block or ())
        if (self._alone or self._block is not None) and log_number_from == written:
            return
        self._own.clear()
        known = log_number_from and log_number_from == self._next
        after = _name(log_number_from - 1) if known else ""
        names = self._storage.list_names(self._folder, after=after)
        contents = read_several(self._storage, self._entries, names)
        for first, entries in zip(map(int, names), contents, strict=True):
            yield from entries[max(0, log_number_from - first) :]
            self._next = max(self._next, first + len(entries))

    def append_logs(self, logs: list[Entry]) -> None:
        """Write the entries in their order, after what others have written meanwhile."""
        if self._block is not None:
            self._own.update(enumerate(logs, self._next + len(self._block)))
            self._block += logs
            return
        while not self._created(logs):
            self._next += len(self._entries(_name(self._next)))
        self._own.update(enumerate(logs, self._next))
        self._next += len(logs)

    @contextmanager
    def together(self, *, sync: bool = True) -> Iterator[None]:
        """Entries of the block are one object, written at its end, `sync` or not: a request takes long.

        Raises StorageError if somebody else wrote meanwhile, since Optuna has numbered them already.
        """
        block: list[Entry] = []
        self._block = block
        try:
            yield
        finally:
            self._block = None
            if block and not self._created(block):
                where = f"{self._storage.root}/{self._folder}"
                raise StorageError(f"{where}: another process writes there too")
            self._next += len(block)

    def _put_aside(self, names: list[str]) -> None:
        """Keep these objects beside the journal; the last goes first, so that it never has a gap."""
        folders = (f"{self._folder}.damaged{n or ''}" for n in itertools.count())
        kept = next(f for f in folders if not self._storage.list_names(f)) if names else ""
        for name in names:
            self._storage.write(f"{kept}/{name}", self._content(name))
        for name in reversed(names):
            self._storage.delete(f"{self._folder}/{name}")

    def _created(self, entries: list[Entry]) -> bool:
        content = json.dumps(entries, separators=(",", ":")).encode()
        return self._storage.create(f"{self._folder}/{_name(self._next)}", content)

    def _entries(self, name: str) -> list[Entry]:
        try:
            return _parsed(self._content(name))
        except ValueError as error:
            where = f"{self._storage.root}/{self._folder}/{name}"
            raise StorageError(f"{where} is damaged: {error}") from error

    def _content(self, name: str) -> bytes:
        return self._storage.read(f"{self._folder}/{name}") or b""

    def _own_from(self, number: int) -> Iterator[Entry]:
        while number in self._own:
            yield self._own.pop(number)
            number += 1


def _parsed(content: bytes) -> list[Entry]:
    """The entries of an object; earlier versions wrote one into each. Raises ValueError."""
    found = json.loads(content)
    return found if isinstance(found, list) else [found]


def _following(content: bytes, replay: JournalStorageReplayResult) -> list[Entry]:
    """The entries of an object, replayed; none unless they make sense after those that were."""
    try:
        entries = _parsed(content)
        replay.apply_logs(entries)
    except Exception:  # Optuna has no one class for it
        return []
    return entries


def _name(number: int) -> str:
    return f"{number:012d}"
