"""Driving a sweep in the terminal: where its address says, under a view, to its front."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING

from orchestrator.config import SweepConfig

if TYPE_CHECKING:
    from rich.console import Console


def drive(config: SweepConfig) -> int:
    """Run a sweep, here or on the cluster at its ray:// address; returns its complete trials."""
    from orchestrator.cluster import REMOTE, on_the_cluster

    config = config.checked()
    if not config.address.startswith(REMOTE):
        return _reported(config)
    there = dataclasses.replace(config, address="auto")
    return on_the_cluster(config.address, _reported, there)


def terminal() -> Console:
    """Where a command writes: as wide as the terminal, or wide enough where there is none."""
    from rich.console import Console

    from orchestrator.front_table import PLAIN_WIDTH

    return Console() if sys.stdout.isatty() else Console(width=PLAIN_WIDTH)


def _reported(config: SweepConfig) -> int:
    from orchestrator.front_table import print_front
    from orchestrator.sweep import resumable, run_sweep
    from orchestrator.view import View

    console = terminal()
    outcome = run_sweep(config, View(console))
    with resumable(outcome.config):
        print_front(outcome.config, console)
    return outcome.complete
