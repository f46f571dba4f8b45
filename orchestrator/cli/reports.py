"""Reports that commands print: the front of a sweep, its confirmation, its status, a single trial."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from orchestrator.cluster.remote_call import run_on_cluster
from orchestrator.config import REMOTE, SweepConfig
from tasks.storage.roots import normalise_root


def sweep_and_report(config: SweepConfig) -> int:
    """Run a sweep, in this process or on the cluster at its ray:// address, and print its front.

    Returns the number of complete trials.
    """
    config = config.validate()
    if not config.address.startswith(REMOTE):
        return _sweep_here(config)
    there = dataclasses.replace(config, address="auto")
    print(f"connecting to the Ray cluster at {config.address}", flush=True)
    return int(run_on_cluster(config.address, _sweep_here, there))


def confirm_and_report(
    name: str,
    seeds: int,
    points: str,
    storage: str,
    address: str | None,
    code: tuple[str, ...] = (),
) -> int:
    """Run points of sweep `name` again with fresh seeds, and print which of them hold.

    Returns the number of complete trials.
    """
    storage = normalise_root(storage)
    if address is None or not address.startswith(REMOTE):
        return _confirm_here(name, seeds, points, storage, address, code)
    return int(run_on_cluster(address, _confirm_here, name, seeds, points, storage, "auto", code))


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
    terminal.say(found.progress.format_line())
    print_front(found.config, terminal.console)


def export_and_report(
    name: str, trial_id: str | None, storage: str, output: Path, code: tuple[str, ...] = ()
) -> None:
    """Write the weights of a trial, and print where they are. See `export_trial`."""
    from orchestrator.sweeps.export import export_trial

    done = export_trial(
        name, trial_id, storage, output, code=code, say=print, training=print_training
    )
    print(
        f"{done.trial_id}: weights in {done.weights}, card in {done.card}; largest difference of a metric from "
        f"its row: {done.largest_difference:.2g}"
    )


def print_points(points: Iterable[dict[str, Any]]) -> None:
    """Print every metric and cost of each point of a single trial."""
    for point in points:
        print(f"epoch {point.pop('epoch')}:")
        for name, value in point.items():
            print(f"    {name} = {'-' if value is None else format(value, '.6g')}")


def print_training(what: str, done: int, total: int, seconds: float) -> None:
    """Print how far the training of a model is, and about how long the rest will take."""
    left = f", about {seconds / done * (total - done):.0f} s left" if done else ""
    print(f"training the {what}: epoch {done}/{total}{left}", flush=True)


def _sweep_here(config: SweepConfig) -> int:
    from orchestrator.reporting.front_table import print_front
    from orchestrator.reporting.terminal import Terminal, open_console
    from orchestrator.sweeps.run import resumable, run_sweep

    terminal = Terminal(open_console())
    outcome = run_sweep(config, terminal)
    with resumable(outcome.plan):
        print_front(outcome.plan.config, terminal.console)
    return outcome.complete


def _confirm_here(
    name: str, seeds: int, points: str, storage: str, address: str | None, code: tuple[str, ...]
) -> int:
    from orchestrator.reporting.front_table import print_confirmed
    from orchestrator.reporting.terminal import Terminal, open_console
    from orchestrator.sweeps.confirm import plan_repeats
    from orchestrator.sweeps.folder import read_config
    from orchestrator.sweeps.run import run_sweep

    terminal = Terminal(open_console())
    repeats = plan_repeats(name, seeds, storage, address, points, code)
    try:
        complete = sum(run_sweep(config, terminal).complete for config in repeats)
    except (OSError, KeyboardInterrupt) as error:
        error.add_note("and for all seeds: the same command again")
        raise
    print_confirmed(read_config(name, storage), points, terminal.console)
    return complete
