"""A sweep gets another name: in its folder, in each of its rows, and in the sweeps that confirm it.

Everything is written under the new name before anything goes under the old one. So a kill loses nothing: the
same command goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from orchestrator.config import check_name
from orchestrator.results.files import ROWS
from orchestrator.results.store import copy_rows, rename_in_file
from orchestrator.sweeps.folder import (
    CONFIG,
    SWEEPS,
    hold_sweep,
    is_held,
    read_config,
    refuse_sweep,
)
from orchestrator.sweeps.stored.catalogue import list_confirming
from orchestrator.sweeps.stored.removal import drop_folder, empty_sweep
from orchestrator.sweeps.stored.sealed_config import DIGEST, replace_settings
from tasks.errors import InvalidValue
from tasks.storage.base import Storage
from tasks.storage.roots import normalise_root, open_root

NAMES = "name", "confirms"
"""Settings with the name of a sweep."""


@dataclass(frozen=True)
class Renaming:
    """What is renamed with a sweep."""

    storage: str
    names: Mapping[str, str]
    """New names by old ones: the sweep's first, then those of sweeps that confirm it and are named after it."""
    linked: tuple[str, ...]
    """Sweeps that confirm it and have names of their own: they keep them."""
    row_files: int

    def list_lines(self) -> Iterator[str]:
        """Yield what becomes of what, a line each."""
        for old, new in self.names.items():
            yield f"sweep {old} becomes {new}"
        for other in self.linked:
            yield f"sweep {other} confirms {next(iter(self.names.values()))} from now on"
        yield f"{self.row_files} files of rows are written anew; trained models stay as they are"
        yield "the studies for optuna-dashboard go; the next resume makes them again"

    def carry_out(self, say: Callable[[str], None] = lambda text: None) -> None:
        """Rename all that. Raises Taken if one of the sweeps runs, InvalidValue for a damaged file of rows."""
        place, names = open_root(self.storage), self.names
        with ExitStack() as held:
            own = {
                name: held.enter_context(hold_sweep(name, self.storage, say))
                for name in (*names, *names.values(), *self.linked)
            }
            for old, new in (*names.items(), *((other, other) for other in self.linked)):
                copy_rows(self.storage, old, new, names)
                own[new].write(CONFIG, _rename_settings(own[old].read(CONFIG) or b"", new, names))
            for old in reversed([*names]):  # the sweep itself last: it tells which confirm it
                empty_sweep(place, own[old], old)
        for old in names:
            drop_folder(place, old)


def plan_renaming(old: str, new: str, storage: str) -> Renaming:
    """Find out what is renamed with sweep `old`.

    Raises InvalidValue for an unknown sweep, a name that is taken, and a sweep that is named after the one
    that it confirms. Raises Taken if one of the sweeps runs.
    """
    storage = normalise_root(storage)
    config = read_config(old, storage)
    check_name(new)
    if config.confirms and old == config.repeat_name:
        raise InvalidValue(
            f"sweep {old!r} is named after {config.confirms!r}, which it confirms: rename that one"
        )
    confirming = list_confirming([old], storage)
    named = [name for name in confirming if name.startswith(f"{old}+")]
    names = {name: check_name(f"{new}{name.removeprefix(old)}") for name in (old, *named)}
    place = open_root(storage)
    for name, wanted in names.items():
        if name == wanted or not _is_free(place, name, wanted, names):
            raise InvalidValue(f"the name {wanted!r} is taken: choose another")
    linked = tuple(name for name in confirming if name not in names)
    for name in (*names, *names.values(), *linked):
        if is_held(name, storage):
            refuse_sweep(name)
    files = sum(len(place.list_names(f"{ROWS}/{name}")) for name in (*names, *linked))
    return Renaming(storage, names, linked, files)


def _is_free(place: Storage, old: str, new: str, names: Mapping[str, str]) -> bool:
    """Tell whether nothing has the new name, or only what an earlier renaming wrote before it was killed."""
    stored = place.read(f"{SWEEPS}/{new}/{CONFIG}")
    mine, its = (place.list_names(f"{ROWS}/{name}") for name in (old, new))
    if stored:
        before = place.read(f"{SWEEPS}/{old}/{CONFIG}") or b"{}"
        return _plain(stored) == _plain(before) and all(
            _is_renamed(place, old, new, file, names) for file in mine
        )
    return all(file in mine and _is_renamed(place, old, new, file, names) for file in its)


def _is_renamed(place: Storage, old: str, new: str, file: str, names: Mapping[str, str]) -> bool:
    """Tell whether a file of rows under the new name is the one under the old name, renamed."""
    before = place.read(f"{ROWS}/{old}/{file}") or b""
    return place.read(f"{ROWS}/{new}/{file}") == rename_in_file(file, before, names)


def _plain(content: bytes) -> object:
    """Return stored settings without names and digest."""
    try:
        settings = json.loads(content)
    except ValueError:
        return content
    return {k: v for k, v in settings.items() if k not in (*NAMES, DIGEST)}


def _rename_settings(stored: bytes, new: str, names: Mapping[str, str]) -> bytes:
    confirms = json.loads(stored).get("confirms")
    return replace_settings(stored, name=new, confirms=names.get(confirms, confirms))
