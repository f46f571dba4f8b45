"""`orchestrator compact`: merge the files of sweeps that no driver runs, and lock drivers out meanwhile."""

from __future__ import annotations

import functools
from collections.abc import Callable

from orchestrator.results.files import ROWS
from orchestrator.results.store import compact_rows
from orchestrator.sweeps.folder import DRIVER_LOCK, SWEEPS, refuse_sweep
from tasks.errors import InvalidValue
from tasks.storage.roots import open_root


def compact_sweeps(storage: str, sweep: str | None, say: Callable[[str], None]) -> tuple[int, int]:
    """Merge the files of one sweep, or of every sweep; return (files before, rows).

    A running sweep is never merged: its workers look for the rows of a trial in the trial's own
    file, and would run the trial again. Raises InvalidValue if `sweep` is running; among all sweeps,
    a running one is skipped with a notice. Raises InvalidValue, too, if there is nothing to merge.
    """
    place = open_root(storage)
    place.reach()
    found = [name.rstrip("/") for name in place.list_names(ROWS) if name.endswith("/")]
    files = rows = 0
    left_out: list[str] = []
    for name in [sweep] if sweep else found:
        try:
            merged = _merge_locked(storage, name)
        except InvalidValue as busy:
            if sweep:
                raise
            left_out.append(f"left out: {busy}")
            continue
        files, rows = files + merged[0], rows + merged[1]
    if not files:
        what = f"no results{f' of sweep {sweep!r}' if sweep else ''} to merge under {storage}"
        raise InvalidValue("; ".join([what, *left_out]))
    for sweep_left_out in left_out:
        say(f"NOTICE: {sweep_left_out}")
    return files, rows


def _merge_locked(storage: str, sweep: str) -> tuple[int, int]:
    """Merge the files of a sweep; hold the driver's lock meanwhile if the sweep has a folder for it."""
    own = open_root(f"{storage}/{SWEEPS}/{sweep}")
    if (
        not own.list_names()
    ):  # copied rows without a sweep's folder: a lock would create that folder
        return compact_rows(storage, sweep)
    if own.is_locked(DRIVER_LOCK):
        refuse_sweep(sweep)
    with own.lock(DRIVER_LOCK, on_held=functools.partial(refuse_sweep, sweep)):
        return compact_rows(storage, sweep)
