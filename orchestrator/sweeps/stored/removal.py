"""What goes when a sweep is deleted, and its deletion. A kill in between leaves what can be deleted again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from orchestrator.config import check_name
from orchestrator.results.files import ROWS
from orchestrator.results.store import read_results
from orchestrator.sweeps.folder import (
    CONFIG,
    DRIVER_LOCK,
    SWEEPS,
    hold_sweep,
    is_held,
    read_config,
    refuse_sweep,
)
from orchestrator.sweeps.stored.catalogue import list_confirming, list_sweep_names
from tasks.errors import InvalidValue
from tasks.storage.base import Storage
from tasks.storage.roots import normalise_root, open_root

ARTIFACTS = "artifacts"
MODEL_KEYS = "trial_key", "original_key", "retrained_key"
"""Columns with the keys of models; trial_key is one in the row of a model alone."""


@dataclass(frozen=True)
class Removal:
    """What goes when a sweep is deleted."""

    storage: str
    sweeps: tuple[str, ...]
    """The sweep, and behind it those that confirm it."""
    row_files: int
    model_files: tuple[str, ...]
    """Files of trained models that go too: none unless they were asked for."""

    def list_lines(self) -> Iterator[str]:
        """Yield what goes, and what stays, a line each."""
        name, *confirming = self.sweeps
        yield f"sweep {name} under {self.storage}: its configuration and its studies"
        if confirming:
            yield f"the sweeps that confirm it: {', '.join(confirming)}"
        yield f"{self.row_files} files of rows"
        if self.model_files:
            models = sum(file.endswith(".json") for file in self.model_files)
            yield f"{models} trained models that no other sweep has rows of"
        else:
            yield "trained models stay: other sweeps and `orchestrator run` find them"

    def carry_out(self, say: Callable[[str], None] = lambda text: None) -> None:
        """Delete all that, the sweep's own configuration last. Raises Taken if one of the sweeps runs."""
        place = open_root(self.storage)
        name, *confirming = self.sweeps
        for other in confirming:
            _remove_sweep(place, self.storage, other, say)
        for file in self.model_files:
            place.delete(f"{ARTIFACTS}/{file}")
        _remove_sweep(place, self.storage, name, say)


def plan_removal(name: str, storage: str, *, models: bool = False) -> Removal:
    """Find out what goes with the sweep `name`: those that confirm it, and its `models` if they are asked for.

    A sweep with a damaged configuration can be deleted too. Raises InvalidValue for an unknown sweep, and
    Taken if one of the sweeps runs; with `models`, if any sweep does.
    """
    storage = normalise_root(storage)
    place = open_root(storage)
    place.reach()
    if not any(place.list_names(f"{part}/{check_name(name)}") for part in (SWEEPS, ROWS)):
        read_config(name, storage)  # raises: it lists the known ones
    sweeps = (name, *list_confirming([name], storage))
    for other in sweeps:
        if is_held(other, storage):
            refuse_sweep(other)
    rows = sum(len(place.list_names(f"{ROWS}/{other}")) for other in sweeps)
    found = _find_own_models(place, storage, sweeps) if models else ()
    return Removal(storage, sweeps, rows, tuple(found))


def empty_sweep(place: Storage, own: Storage, name: str) -> None:
    """Delete the rows of a sweep that is held, then the files in its folder: the lock stays, till it is free."""
    place.remove_folder(f"{ROWS}/{name}")
    for file in sorted(own.list_names(), key=lambda file: file == CONFIG):
        if file != DRIVER_LOCK:
            own.delete(file)


def drop_folder(place: Storage, name: str) -> None:
    """Remove the folder of an emptied sweep, unless another driver has begun a sweep of that name."""
    folder = f"{SWEEPS}/{name}"
    if not place.is_locked(f"{folder}/{DRIVER_LOCK}") and not place.read(f"{folder}/{CONFIG}"):
        place.remove_folder(folder)


def _remove_sweep(place: Storage, storage: str, name: str, say: Callable[[str], None]) -> None:
    if not place.list_names(f"{SWEEPS}/{name}"):  # copied rows without a sweep's folder
        place.remove_folder(f"{ROWS}/{name}")
        return
    with hold_sweep(name, storage, say) as own:
        empty_sweep(place, own, name)
    drop_folder(place, name)


def _find_own_models(place: Storage, storage: str, sweeps: tuple[str, ...]) -> list[str]:
    """List the files of the models that rows of these sweeps name, and no row of another sweep does."""
    for other in list_sweep_names(storage):
        if is_held(other, storage):
            raise InvalidValue(
                f"--models: sweep {other!r} runs now, and may use them; wait for its end"
            )
    mine: set[str] = set()
    others: set[str] = set()
    for row in read_results(storage, None, ["sweep", "role", *MODEL_KEYS]).to_pylist():
        named = MODEL_KEYS[1:] if row["role"] == "trial" else MODEL_KEYS
        keys = mine if row["sweep"] in sweeps else others
        keys.update(row[column] for column in named if row[column])
    alone = mine - others
    return [
        file
        for file in place.list_names(ARTIFACTS)
        if file.endswith((".pt", ".json")) and file.partition(".")[0].partition("-")[0] in alone
    ]
