"""The folder of a sweep under its storage root: its name, its configuration, and its driver's lock."""

from __future__ import annotations

import dataclasses
import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import NoReturn

from orchestrator.cluster.interrupts import interrupt_driver
from orchestrator.config import SweepConfig, check_name
from orchestrator.sweeps.stored.sealed_config import check_settings, replace_settings, seal_settings
from orchestrator.sweeps.stored.size import SIZE
from tasks.errors import InvalidValue, StorageFault, Taken
from tasks.storage.base import Storage
from tasks.storage.roots import normalise_root, open_root

Say = Callable[[str], None]

SWEEPS, CONFIG, DRIVER_LOCK = "sweeps", "config.json", "driver.lock"


def find_free_name(config: SweepConfig) -> str:
    """Return TASK-OBJECTIVE-N with the smallest N that no sweep has."""
    taken = set(open_sweeps(config.storage).list_names())
    plain = "".join(c if c.isalnum() or c in "-_." else "-" for c in config.task or "")
    words = "".join(c if c.isalnum() else "-" for c in config.objective)[:40]
    number = 1
    while f"{plain}-{words}-{number}/" in taken:
        number += 1
    return f"{plain}-{words}-{number}"


def open_sweeps(storage: str) -> Storage:
    """Open the place where every sweep has a folder for its configuration; raises StorageError."""
    sweeps = open_root(f"{storage}/{SWEEPS}")
    sweeps.reach()
    return sweeps


def refuse_sweep(sweep: str) -> NoReturn:
    """Raise Taken, because another driver holds the sweep's lock."""
    raise Taken(f"sweep {sweep!r} is being run by another process")


@contextmanager
def hold_named_sweep(config: SweepConfig, say: Say) -> Iterator[tuple[str, Storage]]:
    """Hold a sweep as `hold_sweep` does, and yield its name too.

    Without a given name, the sweep gets the first free name. A sweep that starts at the same moment
    gets another.
    """
    if config.name is not None:
        with hold_sweep(config.name, config.storage, say) as own:
            yield config.name, own
        return
    with ExitStack() as held:
        while True:
            name = find_free_name(config)
            try:
                own = held.enter_context(hold_sweep(name, config.storage, say))
            except Taken:
                continue
            if not own.read(CONFIG):
                yield name, own
                return
            held.close()  # a sweep with this name began and ended meanwhile


@contextmanager
def hold_sweep(name: str, storage: str, say: Say) -> Iterator[Storage]:
    """Yield the storage of the sweep's folder, and hold the driver's lock for the duration of the block.

    Raises Taken if another driver runs the sweep, InvalidValue if the storage cannot be written, and
    StorageFault from the block if the lock is lost.
    """
    own = open_root(f"{storage}/{SWEEPS}/{check_name(name)}")
    own.check()

    lost = threading.Event()

    def stop() -> None:
        lost.set()
        interrupt_driver()

    if own.takeover_seconds and own.is_locked(DRIVER_LOCK):
        say(
            f"sweep {name} has a driver; if it is dead, this one takes over within "
            f"{own.takeover_seconds:.0f} s"
        )
    with own.lock(DRIVER_LOCK, on_held=functools.partial(refuse_sweep, name), on_lost=stop):
        try:
            yield own
        except KeyboardInterrupt as interrupt:
            if lost.is_set():
                raise _explain_loss(name, interrupt) from interrupt
            raise


def _explain_loss(name: str, interrupt: KeyboardInterrupt) -> StorageFault:
    """Return the fault of a driver that interrupted itself because it had lost its lock."""
    fault = StorageFault(
        f"sweep {name}: its lock was not renewed in time, since the storage was away or this process "
        "hung; another driver may have taken the sweep over"
    )
    for note in getattr(interrupt, "__notes__", ()):
        fault.add_note(note)
    return fault


def is_held(name: str, storage: str) -> bool:
    """Tell whether a driver runs the sweep now, without writing anything."""
    return open_sweeps(storage).is_locked(f"{name}/{DRIVER_LOCK}")


def read_config(name: str, storage: str) -> SweepConfig:
    """Return the stored configuration of a sweep.

    Raises InvalidValue for an unknown sweep, listing the known ones, and for a damaged file.
    """
    storage = normalise_root(storage)
    sweeps = open_sweeps(storage)
    file = f"{check_name(name)}/{CONFIG}"
    content = sweeps.read(file)
    if (
        not content
    ):  # empty: a process was killed while creating it, on a file system without hard links
        known = [n for n in sweeps.list_names() if sweeps.read(f"{n}{CONFIG}")]
        listed = ", ".join(n.rstrip("/") for n in known) or "none yet"
        raise InvalidValue(f"no sweep {name!r} under {storage}; there are: {listed}")
    try:
        config = SweepConfig.from_json(check_settings(content.decode()))
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidValue(f"{sweeps.root}/{file} is damaged: {error}") from error
    return dataclasses.replace(config, name=name, storage=storage)


def store_config(config: SweepConfig, own: Storage) -> None:
    """Write the configuration of a new sweep into its folder; of an existing one replace trials and budget alone.

    Those are replaced only if more were asked for. A kill leaves the old or the new configuration.
    """
    before = own.read(CONFIG)
    if not before:
        own.write(CONFIG, seal_settings(config.to_json()))
    elif config.more_trials:
        own.write(
            CONFIG,
            replace_settings(before, **{name: getattr(config, name) for name in SIZE}),
        )


def store_end(config: SweepConfig, trials: dict[str, int], own: Storage) -> None:
    """Note that the time of a sweep is over, by the trials of each unlearner that there are."""
    own.write(CONFIG, replace_settings(own.read(CONFIG) or b"", budgets=trials))
