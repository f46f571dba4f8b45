"""The sweeps under a storage root: which there are, how far each is, and which is the latest."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.config.spelling import spell_command
from orchestrator.results.store import read_results
from orchestrator.results.sweep_rows import NEVER
from orchestrator.sweeps.folder import CONFIG, is_held, open_sweeps, read_config
from orchestrator.sweeps.status import RUNNING, read_status
from tasks.errors import InvalidValue, StorageError
from tasks.storage.base import read_several
from tasks.storage.roots import normalise_root

DAMAGED = "damaged"


@dataclass(frozen=True)
class StoredSweep:
    """A sweep in one line."""

    name: str
    state: str
    """finished, running, unfinished or damaged."""
    task: str = ""
    confirms: str = ""
    """The sweep whose points it runs again, if it does."""
    ended: int = 0
    """Trials that have ended, failed ones included."""
    failed: int = 0
    planned: int = 0
    best: Mapping[str, float] = field(default_factory=dict)
    """The best value of each metric of its objective."""
    ended_at: datetime | None = None
    """When its last trial ended so far."""
    damage: str = ""
    """What is damaged, and what to do."""


def list_sweeps(storage: str) -> list[StoredSweep]:
    """Return all sweeps of a storage root, the one whose last trial ended last at the end.

    Raises StorageError if the root cannot be read.
    """
    storage = normalise_root(storage)
    found = [_describe(name, storage) for name in list_sweep_names(storage)]
    return sorted(found, key=lambda s: (s.state == RUNNING, s.ended_at or NEVER, s.name))


def list_sweep_names(storage: str) -> list[str]:
    """Return the names of all sweeps that have a configuration, also of damaged ones, in their order."""
    sweeps = open_sweeps(storage)
    folders = [name for name in sweeps.list_names() if name.endswith("/")]
    contents = read_several(sweeps, lambda folder: sweeps.read(f"{folder}{CONFIG}"), folders)
    return [name.rstrip("/") for name, content in zip(folders, contents, strict=True) if content]


def find_latest(storage: str) -> tuple[str, int]:
    """Return the latest sweep, and how many there are: one that runs, else the one whose trial ended last.

    A sweep that confirms another is the latest only while it runs, or if there is no other. Raises
    InvalidValue if there is no sweep.
    """
    storage = normalise_root(storage)
    names = list_sweep_names(storage)
    if not names:
        raise InvalidValue(
            f"no sweep under {storage} yet; to start one: {spell_command(['sweep'])}"
        )
    if len(names) == 1:
        return names[0], 1
    ended: dict[str, tuple[bool, datetime]] = {}
    columns = ["sweep", "finished_at", "confirms"]
    # A damaged file of another sweep is no matter here: `list sweeps` tells of it.
    rows = read_results(storage, None, columns, lambda file, error: None)
    latest = rows.group_by(["sweep", "confirms"]).aggregate([("finished_at", "max")])
    for row in latest.to_pylist():
        rank = not row["confirms"], row["finished_at_max"] or NEVER
        ended[row["sweep"]] = max(rank, ended.get(row["sweep"], rank))
    ranks = {n: (is_held(n, storage), *ended.get(n, (False, NEVER))) for n in names}
    return max(names, key=lambda name: ranks[name]), len(names)


def list_confirming(names: Collection[str], storage: str) -> list[str]:
    """Return the sweeps that run points of these sweeps again; one with a damaged configuration is left out."""
    found = []
    for other in list_sweep_names(storage):
        try:
            if read_config(other, storage).confirms in names:
                found.append(other)
        except StorageError:
            raise
        except InvalidValue:
            continue
    return found


def _describe(name: str, storage: str) -> StoredSweep:
    files: list[str] = []
    try:
        found = read_status(name, storage, lambda file, _: files.append(file))
    except StorageError:
        raise
    except InvalidValue as error:
        return StoredSweep(name, DAMAGED, damage=str(error))
    progress, config = found.progress, found.config
    hurt = bool(files) and found.state != RUNNING
    return StoredSweep(
        name=name,
        state=DAMAGED if hurt else found.state,
        task=config.task or "",
        confirms=config.confirms or "",
        ended=progress.done + progress.failed,
        failed=progress.failed,
        planned=progress.total,
        best=dict(progress.best),
        ended_at=found.ended_at,
        damage=f"{len(files)} damaged files of rows: a resume runs their trials again" * hurt,
    )
