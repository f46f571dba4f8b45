"""`orchestrator compact`: merges what no driver is at, and keeps drivers out meanwhile."""

from __future__ import annotations

import functools
from collections.abc import Callable

from orchestrator.results.files import ROWS
from orchestrator.results.store import compact
from orchestrator.sweeps.folder import DRIVER_LOCK, SWEEPS, refuse
from tasks.errors import InvalidValue
from tasks.storage.roots import storage_at


def compact_sweeps(storage: str, sweep: str | None, say: Callable[[str], None]) -> tuple[int, int]:
    """Merge the files of a sweep, or of each; returns (files before, rows).

    A worker looks for the rows of its trial in a file of their own: merged under its feet, the trial
    would run again. Raises InvalidValue for a sweep that is being run; of all sweeps it is left out
    with a notice. Raises InvalidValue, too, if there is nothing to merge.
    """
    place = storage_at(storage)
    place.reach()
    found = [name.rstrip("/") for name in place.names(ROWS) if name.endswith("/")]
    files = rows = 0
    for name in [sweep] if sweep else found:
        try:
            merged = _merged_alone(storage, name)
        except InvalidValue as busy:
            if sweep:
                raise
            say(f"NOTICE: left out: {busy}")
            continue
        files, rows = files + merged[0], rows + merged[1]
    if not files:
        raise InvalidValue(
            f"no results{f' of sweep {sweep!r}' if sweep else ''} to merge under {storage}"
        )
    return files, rows


def _merged_alone(storage: str, sweep: str) -> tuple[int, int]:
    """Merge the files of a sweep while holding its driver's lock, if it is one that has drivers."""
    own = storage_at(f"{storage}/{SWEEPS}/{sweep}")
    if not own.names():  # rows that were copied here: a lock would make it look like a sweep
        return compact(storage, sweep)
    if own.is_locked(DRIVER_LOCK):
        refuse(sweep)
    with own.lock(DRIVER_LOCK, on_held=functools.partial(refuse, sweep)):
        return compact(storage, sweep)
