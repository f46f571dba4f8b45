"""Driving a sweep in the terminal: where its address says, under a view, to its front."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING

from orchestrator.config import SweepConfig
from tasks.storage.roots import normal_root

if TYPE_CHECKING:
    from rich.console import Console


def drive(config: SweepConfig) -> int:
    """Run a sweep, here or on the cluster at its ray:// address; returns its complete trials."""
    from orchestrator.cluster.remote_call import on_the_cluster
    from orchestrator.config import REMOTE

    config = config.checked()
    if not config.address.startswith(REMOTE):
        return _reported(config)
    there = dataclasses.replace(config, address="auto")
    return on_the_cluster(config.address, _reported, there)


def confirm(name: str, seeds: int, storage: str, address: str | None) -> int:
    """Run the front of sweep `name` again with fresh seeds and print what holds of it.

    Returns the complete trials.
    """
    from orchestrator.cluster.remote_call import on_the_cluster
    from orchestrator.config import REMOTE

    storage = normal_root(storage)
    if address is None or not address.startswith(REMOTE):
        return _confirmed(name, seeds, storage, address)
    return on_the_cluster(address, _confirmed, name, seeds, storage, "auto")


def terminal() -> Console:
    """Where a command writes: as wide as the terminal, or wide enough where there is none."""
    from rich.console import Console

    from orchestrator.reporting.front_table import PLAIN_WIDTH

    return Console() if sys.stdout.isatty() else Console(width=PLAIN_WIDTH)


def _confirmed(name: str, seeds: int, storage: str, address: str | None) -> int:
    from orchestrator.reporting.front_table import print_confirmed
    from orchestrator.reporting.terminal import View
    from orchestrator.sweeps.confirm import confirmations
    from orchestrator.sweeps.folder import stored_config
    from orchestrator.sweeps.run import run_sweep

    console = terminal()
    sweeps = confirmations(name, seeds, storage, address)
    try:
        complete = sum(run_sweep(config, View(console)).complete for config in sweeps)
    except (OSError, KeyboardInterrupt) as error:
        error.add_note("and for all seeds: the same command again")
        raise
    print_confirmed(stored_config(name, storage), console)
    return complete


def _reported(config: SweepConfig) -> int:
    from orchestrator.reporting.front_table import print_front
    from orchestrator.reporting.terminal import View
    from orchestrator.sweeps.run import resumable, run_sweep

    console = terminal()
    outcome = run_sweep(config, View(console))
    with resumable(outcome.config):
        print_front(outcome.config, console)
    return outcome.complete
