"""Where Optuna keeps the studies of a sweep."""

from __future__ import annotations

from pathlib import Path

import optuna
from optuna.storages import BaseStorage, RDBStorage

from orchestrator.search.journal import Journal, JournalFile
from orchestrator.search.object_journal import ObjectJournal
from tasks.errors import InvalidValue
from tasks.storage.roots import open_root

JOURNAL = "studies.journal"


def check_unused(storage: BaseStorage, sweep: str, url: str) -> None:
    """Raises InvalidValue if a database has studies of a sweep of this name, which began elsewhere.

    Under another storage root it is another sweep: to this one all trials of its studies would be lost.
    """
    names = [study.study_name for study in storage.get_all_studies()]
    if any(name.startswith(f"{sweep}/") for name in names):
        raise InvalidValue(
            f"--optuna-storage {url} has studies of another sweep {sweep!r}, "
            "which is not under this --storage; choose another --name"
        )


def open_storage(sweep: str | Path, url: str | None) -> BaseStorage:
    """Optuna's storage: a journal where the sweep keeps its own, or the database behind `url`.

    Only for who holds the sweep: a journal is mended. Raises InvalidValue if there is no such
    database, StorageError if a bucket cannot be reached.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if url is not None:
        try:
            return RDBStorage(url)
        except Exception as error:  # SQLAlchemy and the driver of the database raise their own
            reason = str(error).splitlines()[0]
            raise InvalidValue(f"--optuna-storage {url}: cannot be opened ({reason})") from error
    storage = open_root(sweep)
    if storage.folder is None:
        objects = ObjectJournal(storage, JOURNAL)
        objects.hold()
        return Journal(objects)
    return Journal(JournalFile(storage.folder / JOURNAL))
