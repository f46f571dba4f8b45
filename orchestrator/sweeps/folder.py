"""The folder of a sweep under its storage root: its name, its configuration, and who drives it."""

from __future__ import annotations

import dataclasses
import functools
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import NoReturn

from orchestrator.config import SweepConfig, check_name
from tasks.errors import InvalidValue, Taken
from tasks.storage.base import Storage
from tasks.storage.roots import normal_root, storage_at

Say = Callable[[str], None]

SWEEPS, CONFIG, DRIVER_LOCK = "sweeps", "config.json", "driver.lock"


def free_name(config: SweepConfig) -> str:
    """TASK-OBJECTIVE-N with the first N that is not taken."""
    taken = set(sweeps_of(config.storage).names())
    plain = "".join(c if c.isalnum() or c in "-_." else "-" for c in config.task or "")
    words = "".join(c if c.isalnum() else "-" for c in config.objective)[:40]
    number = 1
    while f"{plain}-{words}-{number}/" in taken:
        number += 1
    return f"{plain}-{words}-{number}"


def sweeps_of(storage: str) -> Storage:
    """Where every sweep has a folder for its configuration; raises StorageError."""
    sweeps = storage_at(f"{storage}/{SWEEPS}")
    sweeps.reach()
    return sweeps


def refuse(sweep: str) -> NoReturn:
    """Raises Taken: what is to happen where a driver's lock is held."""
    raise Taken(f"sweep {sweep!r} is being run by another process")


@contextmanager
def hold_named_sweep(config: SweepConfig, say: Say) -> Iterator[tuple[str, Storage]]:
    """Hold a sweep as `hold_sweep` does, and yield its name too.

    Without a name that was given, the first name that no sweep has, also none that starts just now.
    """
    if config.name is not None:
        with hold_sweep(config.name, config.storage, say) as own:
            yield config.name, own
        return
    with ExitStack() as held:
        while True:
            name = free_name(config)
            try:
                own = held.enter_context(hold_sweep(name, config.storage, say))
            except Taken:
                continue
            if not own.read(CONFIG):
                yield name, own
                return
            held.close()  # a sweep of this name has begun and ended meanwhile


@contextmanager
def hold_sweep(name: str, storage: str, say: Say) -> Iterator[Storage]:
    """Yield the storage of the sweep's own folder, held by this driver alone for the length of the block.

    Raises Taken if another driver is at it, InvalidValue if the storage cannot be written.
    """
    own = storage_at(f"{storage}/{SWEEPS}/{check_name(name)}")
    own.check()

    def stop() -> None:
        say(f"sweep {name}: another process has taken it over, or may: this one hung")
        # In the background of a script SIGINT is ignored.
        deaf = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
        os.kill(os.getpid(), signal.SIGTERM if deaf else signal.SIGINT)

    if own.takeover_seconds and own.is_locked(DRIVER_LOCK):
        say(
            f"sweep {name} has a driver; if it is dead, this one takes over within "
            f"{own.takeover_seconds:.0f} s"
        )
    with own.lock(DRIVER_LOCK, on_held=functools.partial(refuse, name), on_lost=stop):
        yield own


def is_held(name: str, storage: str) -> bool:
    """Tell whether a driver is at the sweep now; looks without writing."""
    return sweeps_of(storage).is_locked(f"{name}/{DRIVER_LOCK}")


def stored_config(name: str, storage: str) -> SweepConfig:
    """The configuration of a sweep that was started before; raises InvalidValue, listing those."""
    storage = normal_root(storage)
    sweeps = sweeps_of(storage)
    file = f"{check_name(name)}/{CONFIG}"
    content = sweeps.read(file)
    if not content:  # empty: a process was killed in between, where there are no hard links
        known = [n for n in sweeps.names() if sweeps.read(f"{n}{CONFIG}")]
        listed = ", ".join(n.rstrip("/") for n in known) or "none yet"
        raise InvalidValue(f"no sweep {name!r} under {storage}; there are: {listed}")
    try:
        config = SweepConfig.from_json(content.decode())
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidValue(f"{sweeps.root}/{file} is damaged: {error}") from error
    return dataclasses.replace(config, storage=storage)


def store_config(config: SweepConfig, own: Storage) -> None:
    """Write the configuration of a new sweep into its folder; the configuration of an old one stays."""
    if not own.read(CONFIG):
        own.write(CONFIG, config.to_json().encode())
