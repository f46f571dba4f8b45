"""Reports that commands print: the front of a sweep, its confirmation, its status, a single trial."""

from __future__ import annotations

import dataclasses
import io
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.cluster.interrupts import Interrupts
from orchestrator.cluster.remote_call import run_on_cluster
from orchestrator.config import REMOTE, SweepConfig
from orchestrator.reporting.durations import spell_epochs
from tasks.errors import InvalidValue
from tasks.sequences.requests import is_sequence
from tasks.storage.roots import normalise_root

if TYPE_CHECKING:
    from rich.console import Console

    from orchestrator.sweeps.single_trial import SingleTrial


Asked = tuple[str, int, bool]
"""Metrics on request, how many shadow models they may train, and whether the weights of these are kept."""


def sweep_and_report(config: SweepConfig, page: Path | None = None) -> int:
    """Run a sweep, in this process or on the cluster at its ray:// address, and print its front.

    Its report is written to `page` as trials end. Returns the number of complete trials.
    """
    config = config.validate()
    if page is not None:
        from orchestrator.sweeps.report.write import check_page

        page = check_page("--report", page)
    if not config.address.startswith(REMOTE):
        return _sweep_here(config, page)
    if page is not None:
        raise InvalidValue(
            f"--report {page.name}: the driver of {config.address} runs on the cluster; from there too: "
            "orchestrator report NAME --watch"
        )
    there = dataclasses.replace(config, address="auto")
    print(f"connecting to the Ray cluster at {config.address}", flush=True)
    return _print_answer(run_on_cluster(config.address, _sweep_there, there))


def confirm_and_report(
    name: str,
    seeds: int,
    points: str,
    asked: Asked,
    storage: str,
    address: str | None,
    code: tuple[str, ...] = (),
) -> int:
    """Run points of sweep `name` again with fresh seeds, and print which of them hold.

    Returns the number of complete trials.
    """
    storage = normalise_root(storage)
    if address is None or not address.startswith(REMOTE):
        return _confirm_here(name, seeds, points, asked, storage, address, code)
    there = name, seeds, points, asked, storage, "auto", code
    return _print_answer(run_on_cluster(address, _confirm_there, *there))


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
        _print_values(f"epoch {point['epoch']}:", point)


def run_and_report(trial: SingleTrial) -> None:
    """Run a single trial and print its points, or a sequence of requests and what each led to."""
    if is_sequence(trial.task):
        _run_sequence(trial)
    else:
        print_points(trial.run(print, print_training))


def _run_sequence(trial: SingleTrial) -> None:
    """Print the metrics after each request, then the accuracy matrix and how to draw it."""
    from orchestrator.results.sequences.report import format_lines

    def show(row: dict[str, Any]) -> None:
        many = ";" in row["request"]
        what = "all requests, together" if many else f"request {row['step']}, {row['request']}"
        _print_values(f"after {what} (epoch {row['epoch']}):", row)

    done = trial.run_sequence(print, print_training, show)
    for line in format_lines(done.matrix):
        print(line)
    print(
        f"stored as {done.name}; picture: python -m analysis.forgetting_matrix {shlex.quote(trial.storage)} "
        f"--name {done.name}"
    )


def _print_values(heading: str, row: dict[str, Any]) -> None:
    print(heading)
    for name, value in row.items():
        if name not in ("step", "request", "epoch"):
            print(f"    {name} = {'-' if value is None else format(value, '.6g')}")


def print_training(what: str, done: float, total: int, seconds: float) -> None:
    """Print how far the training of a model is, and about how long the rest will take."""
    left = f", about {seconds / done * (total - done):.0f} s left" if done else ""
    print(f"training the {what}: {spell_epochs(done, total)}{left}", flush=True)


Answer = tuple[int, str]
"""What a driver on a cluster returns: the number of complete trials, and its table as text.

Its other output is shown while it runs, by Ray, which may lose the last lines of a process.
"""


def _print_answer(answer: Answer) -> int:
    complete, text = answer
    print(text, end="", flush=True)
    return complete


def _sweep_there(config: SweepConfig) -> Answer:
    return _collect(_sweep_here, config)


def _confirm_there(*arguments: Any) -> Answer:
    return _collect(_confirm_here, *arguments)


def _collect(work: Callable[..., int], *arguments: Any) -> Answer:
    from orchestrator.reporting.terminal import open_console

    text = io.StringIO()
    complete = work(*arguments, table=open_console(text))
    return complete, text.getvalue()


def _sweep_here(config: SweepConfig, page: Path | None = None, table: Console | None = None) -> int:
    # The imports below and Ray take seconds; nobody should wonder meanwhile whether anything happens.
    print(f"getting ready: {config.name or config.task or 'a sweep'}", flush=True)
    from orchestrator.reporting.front_table import print_front
    from orchestrator.reporting.terminal import Terminal, open_console
    from orchestrator.sweeps.report.write import write_report
    from orchestrator.sweeps.run import run_sweep
    from orchestrator.sweeps.stored.resumed import resumable

    terminal = Terminal(open_console())
    outcome = run_sweep(config, terminal, page)
    # All trials have ended: a stop that is asked for now is near anyway.
    with resumable(outcome.config), Interrupts().deferred():
        print_front(outcome.config, table or terminal.console)
        if page is not None:  # with the importances, now that the sweep has ended
            write_report([str(outcome.config.name)], outcome.config.storage, page)
            print(f"report: {page}", flush=True)
    return outcome.complete


def _confirm_here(
    name: str,
    seeds: int,
    points: str,
    asked: Asked,
    storage: str,
    address: str | None,
    code: tuple[str, ...],
    table: Console | None = None,
) -> int:
    from orchestrator.reporting.front_table import print_confirmed
    from orchestrator.reporting.terminal import Terminal, open_console
    from orchestrator.sweeps.confirm import plan_repeats
    from orchestrator.sweeps.folder import read_config
    from orchestrator.sweeps.run import run_sweep

    terminal = Terminal(open_console())
    metrics, shadows, keep_shadows = asked
    repeats = plan_repeats(
        name, seeds, storage, address, points, metrics, code, shadows, keep_shadows
    )
    try:
        complete = sum(run_sweep(config, terminal).complete for config in repeats)
    except (OSError, KeyboardInterrupt) as error:
        error.add_note("and for all seeds: the same command again")
        raise
    print_confirmed(read_config(name, storage), points, table or terminal.console)
    return complete
