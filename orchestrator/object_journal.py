"""Optuna's journal where there are no files to append to: one object per entry, numbered.

    <folder>/000000000042      the entry as JSON

An entry is written by creating the object of the next number, which one of several writers can:
the others go on to the number after it. So no entry is lost, and all read them in one order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from optuna.storages.journal import BaseJournalBackend

from tasks.storage import Storage, StorageError, several_at_a_time


class ObjectJournal(BaseJournalBackend):
    """The journal in a folder of a storage."""

    def __init__(self, storage: Storage, folder: str) -> None:
        self._storage, self._folder = storage, folder
        self._next = 0
        """All entries before this one are there."""
        self._own: dict[int, dict[str, Any]] = {}
        """Entries that were written here and not read since: the next read need not ask for them."""

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """The entries from this number on; raises StorageError for one that is damaged.

        Own entries that follow are given first, alone: what others wrote after them comes with
        the next read.
        """
        if log_number_from in self._own:
            yield from self._own_from(log_number_from)
            return
        self._own.clear()
        before = _name(log_number_from - 1) if log_number_from else ""
        names = self._storage.names(self._folder, after=before)
        paths = [f"{self._folder}/{name}" for name in names]
        contents = several_at_a_time(self._storage, self._storage.read, paths)
        for path, content in zip(paths, contents, strict=True):
            try:
                entry = json.loads(content or b"")
            except ValueError as error:
                raise StorageError(f"{self._storage.root}/{path} is damaged: {error}") from error
            yield entry
        self._next = max(self._next, log_number_from + len(names))

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write the entries in their order; other writers' may come in between."""
        for entry in logs:
            content = json.dumps(entry, separators=(",", ":")).encode()
            while not self._storage.create(f"{self._folder}/{_name(self._next)}", content):
                self._next += 1
            self._own[self._next] = entry
            self._next += 1

    def _own_from(self, number: int) -> Iterator[dict[str, Any]]:
        while number in self._own:
            yield self._own.pop(number)
            number += 1


def _name(number: int) -> str:
    return f"{number:012d}"
