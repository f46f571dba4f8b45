"""The command line: sweep, resume, status, run, list, compact. Bad input is one line and exit code 2."""

from __future__ import annotations

import dataclasses
import functools
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter

from orchestrator.config import SweepConfig, check_name
from tasks.datasets.sources import DatasetNotFound
from tasks.registry import one_of
from tasks.search_space import InvalidValue

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
LONGEST = 1000
"""Characters of an error message."""

app = App(
    name="orchestrator",
    help="Find the Pareto front of machine-unlearning methods.",
    suppress_keyboard_interrupt=False,  # `main` has something to say then
)


@app.command
def sweep(config: SweepConfig = SweepConfig()) -> int:  # noqa: B008 - frozen
    """Search the hyper-parameters of unlearning methods and report the Pareto front."""
    return _swept(config)


@app.command
def resume(name: str, /, *, storage: str = "./results", address: str | None = None) -> int:
    """Go on with a sweep that was interrupted or killed.

    Parameters
    ----------
    name
        Name of the sweep.
    storage
        Storage root it was started with.
    address
        Ray cluster, if another than before.
    """
    from orchestrator.plan import stored_config

    config = stored_config(name, storage)
    return _swept(dataclasses.replace(config, address=address or config.address))


@app.command
def status(name: str, /, *, storage: str = "./results") -> int:
    """Say how far a sweep is, and its front so far; it may be running elsewhere.

    Parameters
    ----------
    name
        Name of the sweep.
    storage
        Storage root it was started with.
    """
    from orchestrator.status import print_status

    print_status(name, storage, _console())
    return DONE


@app.command
def run(
    *,
    task: str,
    unlearner: str,
    set_: Annotated[list[str] | None, Parameter(name="--set", negative=())] = None,
    data_dir: Path | None = None,
    model: str = "auto",
    seed: int = 0,
    trial_seed: int | None = None,
    loader: str = "auto",
    device: str = "auto",
    storage: str = "./results",
) -> int:
    """Run one trial in this process, without Ray or Optuna, and print all its metrics.

    Parameters
    ----------
    task
        Task, such as digits-class:1.
    unlearner
        Method; see `orchestrator list unlearners`.
    set_
        NAME=VALUE of a hyper-parameter; may be repeated.
    data_dir
        Folder with the data set.
    model
        Model family, NAME or NAME:WIDTH; auto chooses by device.
    seed
        Seed of the splits, the forget set and the baselines: a row's task_seed.
    trial_seed
        Seed of the trial: a row's seed [default: the task's].
    loader
        auto, ffcv or resident.
    device
        auto, cpu or cuda.
    storage
        Storage root, for the trained models; a single run writes no rows.
    """
    from orchestrator.single import run_single

    seeds = (seed, seed if trial_seed is None else trial_seed)
    run_single(task, unlearner, set_ or [], data_dir, model, seeds, loader, device, storage)
    return DONE


@app.command(name="list")
def list_(what: str, /) -> int:
    """List what there is: tasks, unlearners, metrics, objectives, models, samplers or loaders.

    Parameters
    ----------
    what
        One of these words.
    """
    from orchestrator.listing import LISTINGS

    for line in LISTINGS[one_of("listing", what, LISTINGS)]():
        print(line)
    return DONE


@app.command
def compact(*, storage: str = "./results", sweep: str | None = None) -> int:
    """Merge the result files of each sweep into one.

    Parameters
    ----------
    storage
        Storage root.
    sweep
        This sweep alone.
    """
    from orchestrator.store import compact as merge
    from tasks.storage import storage_at

    storage_at(storage).reach()
    files, rows = merge(storage, check_name(sweep) if sweep else None)
    if not files:
        raise InvalidValue(f"no results{f' of sweep {sweep!r}' if sweep else ''} under {storage}")
    print(f"merged {files} files into one per sweep: {rows} rows")
    return DONE


def _swept(config: SweepConfig) -> int:
    """Run a sweep where its address says; the exit code."""
    from orchestrator.cluster import REMOTE, on_the_cluster

    config = config.checked()
    if not config.address.startswith(REMOTE):
        return _report(config)
    there = dataclasses.replace(config, address="auto")
    return on_the_cluster(config.address, functools.partial(_report, there))


def _report(config: SweepConfig) -> int:
    """Run a sweep under a view; print its front; turn how it ended into an exit code."""
    from orchestrator.front_table import print_front
    from orchestrator.sweep import run_sweep
    from orchestrator.view import View

    console = _console()
    outcome = run_sweep(config, View(console))
    print_front(outcome.config, console)
    return DONE if outcome.complete else FAILED


def _console() -> Any:
    """Where a command writes: as wide as the terminal, or wide enough where there is none."""
    from rich.console import Console

    from orchestrator.front_table import PLAIN_WIDTH

    return Console() if sys.stdout.isatty() else Console(width=PLAIN_WIDTH)


def _line(message: str) -> str:
    """The message in one line that can be read, whatever value it quotes."""
    line = " ".join(message.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} … {line[-LONGEST // 2 :]}"


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code: 0 done, 1 failed, 2 bad input, 130 interrupted."""
    try:
        code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
        return int(code or DONE)
    except (CycloptsError, InvalidValue, DatasetNotFound) as error:
        print(f"orchestrator: {_line(str(error))}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print(
            "orchestrator: interrupted; finished trials are kept, `orchestrator resume NAME` goes on",
            file=sys.stderr,
        )
        return INTERRUPTED
