"""The folder of a sweep under its storage root: its name, its configuration, and who drives it."""

from __future__ import annotations

import dataclasses
import functools
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NoReturn

from orchestrator.config import SweepConfig, check_name
from tasks.errors import InvalidValue, Taken
from tasks.storage.base import Storage
from tasks.storage.roots import normal_root, storage_at

if TYPE_CHECKING:
    from orchestrator.reporting.terminal import View

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
    """Where every sweep has a folder for its configuration and studies; raises StorageError."""
    sweeps = storage_at(f"{storage}/{SWEEPS}")
    sweeps.reach()
    return sweeps


def refuse(sweep: str) -> NoReturn:
    """Raises Taken: what is to happen where a driver's lock is held."""
    raise Taken(f"sweep {sweep!r} is being run by another process")


@contextmanager
def named(config: SweepConfig, view: View) -> Iterator[tuple[SweepConfig, Storage]]:
    """The configuration with a name, and what `claimed` yields for it.

    Without a name that was given, the first one that is free, also of those that start just now.
    """
    with ExitStack() as held:
        while config.name is None:
            chosen = dataclasses.replace(config, name=free_name(config))
            try:
                own = held.enter_context(claimed(chosen, view))
            except Taken:
                continue
            if not own.read(CONFIG):
                yield chosen, own
                return
            held.close()  # a sweep of this name has begun and ended meanwhile
        yield config, held.enter_context(claimed(config, view))


@contextmanager
def claimed(config: SweepConfig, view: View) -> Iterator[Storage]:
    """What the sweep keeps its own in, held by this driver alone for the length of the block.

    Raises Taken if another driver is at it, InvalidValue if the storage cannot be written.
    """
    assert config.name is not None
    own = storage_at(f"{config.storage}/{SWEEPS}/{check_name(config.name)}")
    own.check()

    def stop() -> None:
        view.say(f"sweep {config.name}: another process has taken it over, or may: this one hung")
        # In the background of a script SIGINT is ignored.
        deaf = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
        os.kill(os.getpid(), signal.SIGTERM if deaf else signal.SIGINT)

    if own.takeover_seconds and own.is_locked(DRIVER_LOCK):
        view.say(
            f"sweep {config.name} has a driver; if it is dead, this one takes over within "
            f"{own.takeover_seconds:.0f} s"
        )
    with own.lock(DRIVER_LOCK, on_held=functools.partial(refuse, config.name), on_lost=stop):
        yield own


def is_claimed(config: SweepConfig) -> bool:
    """Whether a driver is at the sweep now; looks without writing."""
    return sweeps_of(config.storage).is_locked(f"{config.name}/{DRIVER_LOCK}")


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


def store_once(config: SweepConfig, own: Storage) -> None:
    """Keep the configuration of a new sweep with it; that of an old one stays as it is."""
    if not own.read(CONFIG):
        own.write(CONFIG, config.to_json().encode())
