"""From what the user gave to what will be run: every default decided, once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from orchestrator.cluster.connection import COLD, warm
from orchestrator.cluster.resources import DEFAULT_GPU_SHARE, Resources, this_machine
from orchestrator.config import (
    DEFAULT_TRIALS,
    DEFAULT_TRIALS_PER_SLOT,
    DEFAULT_UNLEARNERS,
    LOCAL,
    SweepConfig,
)
from orchestrator.search.samplers import RANDOM_AT_FIRST
from orchestrator.sweeps.folder import CONFIG, stored_config, sweeps_of
from tasks.errors import InvalidValue
from tasks.task import Task


def adopted(config: SweepConfig) -> SweepConfig:
    """The configuration, with what was not given taken from the sweep of that name, if there is one.

    Raises InvalidValue if the sweep exists with another configuration.
    """
    if config.name is None or not sweeps_of(config.storage).read(f"{config.name}/{CONFIG}"):
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
    autoscaler adds, and the preparation says it if none that is there holds one; this machine alone
    holds what it holds, and `say` is told. Raises InvalidValue if not a single trial can be held.
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
