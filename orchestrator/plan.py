"""From what the user gave to what will be run: every default decided, once, and kept on disk."""

from __future__ import annotations

import dataclasses
import functools
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NoReturn

from orchestrator.cluster import (
    COLD,
    DEFAULT_GPU_SHARE,
    LOCAL,
    Resources,
    this_machine,
    warm,
)
from orchestrator.config import (
    DEFAULT_TRIALS,
    DEFAULT_TRIALS_PER_SLOT,
    DEFAULT_UNLEARNERS,
    SweepConfig,
    check_name,
)
from orchestrator.samplers import RANDOM_AT_FIRST
from tasks.search_space import InvalidValue
from tasks.storage import Storage, normal_root, storage_at
from tasks.task import Task

if TYPE_CHECKING:
    from orchestrator.view import View

SWEEPS, CONFIG, DRIVER_LOCK = "sweeps", "config.json", "driver.lock"


def adopted(config: SweepConfig) -> SweepConfig:
    """The configuration, with what was not given taken from the sweep of that name, if there is one.

    Raises InvalidValue if the sweep exists with another configuration.
    """
    if config.name is None or sweeps_of(config.storage).read(f"{config.name}/{CONFIG}") is None:
        return config
    before = stored_config(config.name, config.storage)
    filled = dataclasses.replace(
        config,
        task=config.task or before.task,
        unlearners=config.unlearners or before.unlearners,
        trials=config.trials or before.trials,
        model=before.model if config.model == "auto" else config.model,
        data_dir=config.data_dir or before.data_dir,
        optuna_storage=config.optuna_storage or before.optuna_storage,
    )
    different = before.differences(filled)
    if different:
        raise InvalidValue(
            f"sweep {config.name!r} exists with another configuration ({'; '.join(different)}); "
            f"choose another --name, or go on with it by: orchestrator resume {config.name}"
        )
    return filled


def with_defaults(
    config: SweepConfig, resources: Resources, say: Callable[[str], None]
) -> SweepConfig:
    """The configuration with everything decided that depends on the cluster.

    A number of trials at a time that was asked for is what a cluster is to hold, by nodes that its
    autoscaler adds; this machine alone holds what it holds, and `say` is told. Raises InvalidValue
    if not a single trial can be held.
    """
    gpus = gpus_of_a_trial(config, resources)
    if config.address != LOCAL and config.gpus_per_trial is None and not gpus:
        say("NOTICE: no node has a GPU now, so trials get none; --gpus-per-trial .25 asks for them")
    slots = resources.slots(config.cpus_per_trial, gpus)
    concurrent = config.max_concurrent or slots
    if config.address == LOCAL and 0 < slots < concurrent:
        say(f"NOTICE: this machine holds {slots} trials at a time, not {concurrent}")
    if config.address == LOCAL:
        concurrent = min(concurrent, slots)
    if concurrent < 1:
        nodes = ", ".join(f"{c} CPUs and {g} GPUs" for c, g in sorted(set(resources.nodes)))
        raise InvalidValue(
            f"no node holds a trial of {config.cpus_per_trial} CPUs and {gpus:g} GPUs: the nodes "
            f"have {nodes}; of a cluster that adds nodes, ask by --gpus-per-trial and --max-concurrent"
        )
    device = "cuda" if gpus else "cpu"
    assert config.task is not None
    task = Task.named(config.task, config.model, config.seed, device)
    per_slot = DEFAULT_TRIALS_PER_SLOT.get((task.dataset, device), DEFAULT_TRIALS)
    trials = min(DEFAULT_TRIALS, max(1, int(per_slot * concurrent)))
    return dataclasses.replace(
        config,
        model=task.model,
        gpus_per_trial=gpus,
        trials=config.trials or trials,
        unlearners=config.unlearners or DEFAULT_UNLEARNERS,
        max_concurrent=concurrent,
    )


def say_if_random(config: SweepConfig, say: Callable[[str], None]) -> None:
    """A sampler that never gets to learn from what it saw is random search under another name."""
    at_first, trials = RANDOM_AT_FIRST.get(config.sampler, 0), config.trials or 0
    if trials <= at_first:
        say(
            f"NOTICE: {config.sampler} draws the first {at_first} trials of a method at random, and "
            f"there are {trials}: this is random search"
        )


def gpus_of_a_trial(config: SweepConfig, resources: Resources) -> float:
    """What was asked for, or else a share of one if there is any."""
    if config.gpus_per_trial is not None:
        return config.gpus_per_trial
    return DEFAULT_GPU_SHARE if resources.gpus else 0.0


def getting_ready(config: SweepConfig) -> Mapping[str, str]:
    """Environment in which a private cluster gets ready for the trials while it still starts."""
    if config.address != LOCAL:
        return COLD
    machine = this_machine()
    slots = machine.slots(config.cpus_per_trial, gpus_of_a_trial(config, machine))
    return warm(min(slots, config.max_concurrent or slots), config.cpus_per_trial)


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


class Taken(InvalidValue):
    """Another driver is at the sweep."""


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
            if own.read(CONFIG) is None:
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
    if content is None:
        known = [n for n in sweeps.names() if sweeps.read(f"{n}{CONFIG}") is not None]
        listed = ", ".join(n.rstrip("/") for n in known) or "none yet"
        raise InvalidValue(f"no sweep {name!r} under {storage}; there are: {listed}")
    try:
        config = SweepConfig.from_json(content.decode())
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidValue(f"{sweeps.root}/{file} is damaged: {error}") from error
    return dataclasses.replace(config, storage=storage)


def store_once(config: SweepConfig, own: Storage) -> None:
    """Keep the configuration of a new sweep with it; that of an old one stays as it is."""
    own.create(CONFIG, config.to_json().encode())
