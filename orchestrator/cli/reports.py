"""What commands print at their end: a sweep's front, what a front's repeats say, how far a sweep is."""

from __future__ import annotations

import dataclasses

from orchestrator.cluster.remote_call import on_the_cluster
from orchestrator.config import REMOTE, SweepConfig
from tasks.storage.roots import normal_root


def sweep_and_report(config: SweepConfig) -> int:
    """Run a sweep, here or on the cluster at its ray:// address, and print its front.

    Returns its complete trials.
    """
    config = config.checked()
    if not config.address.startswith(REMOTE):
        return _sweep_here(config)
    there = dataclasses.replace(config, address="auto")
    return int(on_the_cluster(config.address, _sweep_here, there))


def confirm_and_report(name: str, seeds: int, storage: str, address: str | None) -> int:
    """Run the front of sweep `name` again with fresh seeds, and print what holds of it.

    Returns the complete trials.
    """
    storage = normal_root(storage)
    if address is None or not address.startswith(REMOTE):
        return _confirm_here(name, seeds, storage, address)
    return int(on_the_cluster(address, _confirm_here, name, seeds, storage, "auto"))


def report_status(name: str, storage: str) -> None:
    """Print how far a sweep is, and its front so far. Raises InvalidValue for an unknown name."""
    from orchestrator.reporting.front_table import print_front
    from orchestrator.reporting.terminal import Terminal, open_console
    from orchestrator.sweeps.status import read_status

    found = read_status(name, storage)
    terminal = Terminal(open_console())
    for reason in found.missing:
        terminal.say(f"NOTICE: {reason}")
    terminal.say(found.headline)
    terminal.say(found.progress.line())
    print_front(found.config, terminal.console)


def _sweep_here(config: SweepConfig) -> int:
    from orchestrator.reporting.front_table import print_front
    from orchestrator.reporting.terminal import Terminal, open_console
    from orchestrator.sweeps.run import resumable, run_sweep

    terminal = Terminal(open_console())
    outcome = run_sweep(config, terminal)
    with resumable(outcome.plan):
        print_front(outcome.plan.config, terminal.console)
    return outcome.complete


def _confirm_here(name: str, seeds: int, storage: str, address: str | None) -> int:
    from orchestrator.reporting.front_table import print_confirmed
    from orchestrator.reporting.terminal import Terminal, open_console
    from orchestrator.sweeps.confirm import plan_repeats
    from orchestrator.sweeps.folder import stored_config
    from orchestrator.sweeps.run import run_sweep

    terminal = Terminal(open_console())
    repeats = plan_repeats(name, seeds, storage, address)
    try:
        complete = sum(run_sweep(config, terminal).complete for config in repeats)
    except (OSError, KeyboardInterrupt) as error:
        error.add_note("and for all seeds: the same command again")
        raise
    print_confirmed(stored_config(name, storage), terminal.console)
    return complete
