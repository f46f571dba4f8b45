"""The command line, whose commands are the functions below. Bad input is one line and exit code 2."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter

from orchestrator.cluster.jobs import ask_status_there, submit
from orchestrator.config import JobConfig, SweepConfig, check_name
from tasks.errors import InputError
from tasks.registry import one_of

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
LONGEST = 1000
"""Characters of an error message."""

STORAGE = SweepConfig().storage
SweepName = Annotated[str, Parameter(help="Name of the sweep.")]
Storage = Annotated[str, Parameter(help="Storage root: results and trained models.")]

app = App(
    name="orchestrator",
    help="Find the Pareto front of machine-unlearning methods.",
    suppress_keyboard_interrupt=False,  # `main` has something to say then
)


@app.command
def sweep(config: SweepConfig = SweepConfig()) -> int:  # noqa: B008 - frozen
    """Search the hyper-parameters of unlearning methods and report the Pareto front."""
    return _swept(config)


@app.command(name="submit")
def submit_(config: JobConfig = JobConfig()) -> int:  # noqa: B008 - frozen
    """Send a sweep to a Ray cluster as a job, which goes on when this machine is gone."""
    _print(submit(config) + "\n")
    return DONE


@app.command
def resume(name: SweepName, /, *, storage: Storage = STORAGE, address: str | None = None) -> int:
    """Go on with a sweep that was interrupted or killed.

    Parameters
    ----------
    address
        Ray cluster, if another than before.
    """
    from orchestrator.sweeps.folder import stored_config

    config = stored_config(name, storage)
    return _swept(dataclasses.replace(config, address=address or config.address))


@app.command
def confirm(
    name: SweepName, /, *, seeds: int = 5, storage: Storage = STORAGE, address: str | None = None
) -> int:
    """Run a sweep's front again with fresh seeds, two new models each, and print what holds of it.

    What was interrupted is gone on with by the same command.

    Parameters
    ----------
    seeds
        How many: those after the sweep's own.
    address
        Ray cluster, if another than the sweep's.
    """
    from orchestrator.cli.reports import confirm_and_report

    return DONE if confirm_and_report(name, seeds, storage, address) else FAILED


@app.command
def status(name: SweepName, /, *, storage: str | None = None, address: str | None = None) -> int:
    """Say how far a sweep is, and its front so far; it may be running elsewhere.

    Parameters
    ----------
    storage
        Storage root it was started with [default: ./results, or the cluster's own].
    address
        Dashboard of the Ray cluster that it was submitted to, if this machine cannot see the storage.
    """
    if address is not None:
        said, code = ask_status_there(name, storage or "", address)
        _print(said)
        return code
    from orchestrator.cli.reports import report_status

    report_status(name, storage or STORAGE)
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
    references: int = 2,
    storage: Storage = STORAGE,
) -> int:
    """Run one trial in this process, without Ray or Optuna, and print all its metrics.

    The trained models are kept under the storage root; a single run writes no rows.

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
    references
        How many models retrained without the forget set the trial is held against: 0, or 2 and more.
    """
    from orchestrator.sweeps.single_trial import SingleTrial, parse_assignments

    trial = SingleTrial(
        task=task,
        unlearner=unlearner,
        params=parse_assignments(unlearner, set_ or []),
        data_dir=data_dir,
        model=model,
        seed=seed,
        trial_seed=seed if trial_seed is None else trial_seed,
        loader=loader,
        device=device,
        storage=storage,
        references=references,
    )
    for point in trial.run(print, _print_training):
        _print_point(point)
    return DONE


@app.command(name="list")
def list_(what: str, /) -> int:
    """List what there is: tasks, unlearners, metrics, objectives, models, samplers, loaders or columns.

    Parameters
    ----------
    what
        One of these words.
    """
    from orchestrator.cli.listing import LISTINGS

    for line in LISTINGS[one_of("listing", what, LISTINGS)]():
        print(line)
    return DONE


@app.command
def compact(*, storage: Storage = STORAGE, sweep: str | None = None) -> int:
    """Merge the result files of each sweep into one; a sweep that is being run is left out.

    Parameters
    ----------
    sweep
        This sweep alone.
    """
    from orchestrator.sweeps.compact import compact_sweeps

    files, rows = compact_sweeps(storage, check_name(sweep) if sweep else None, print)
    print(f"merged {files} files into one per sweep: {rows} rows")
    return DONE


def _swept(config: SweepConfig) -> int:
    """The exit code of a sweep."""
    from orchestrator.cli.reports import sweep_and_report

    return DONE if sweep_and_report(config) else FAILED


def _print(text: str) -> None:
    """Print text as it is, at once: whoever follows a log waits for it."""
    print(text, end="", flush=True)


def _print_point(point: dict[str, Any]) -> None:
    print(f"epoch {point.pop('epoch')}:")
    for name, value in point.items():
        print(f"    {name} = {'-' if value is None else format(value, '.6g')}")


def _print_training(what: str, done: int, total: int, seconds: float) -> None:
    left = f", about {seconds / done * (total - done):.0f} s left" if done else ""
    print(f"training the {what}: epoch {done}/{total}{left}", flush=True)


def _line(error: BaseException) -> str:
    """The message and its notes in one line that can be read, whatever value it quotes."""
    message = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error)
    line = " ".join("; ".join([message, *getattr(error, "__notes__", ())]).split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} … {line[-LONGEST // 2 :]}"


def _drop_output() -> None:
    """Python flushes standard output once more when it ends, and would complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code: 0 done, 1 failed, 2 bad input, 130 interrupted.

    Any other exception is a bug: it passes, with its traceback.
    """
    try:
        code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
        return int(code or DONE)
    except (CycloptsError, InputError) as error:
        print(f"orchestrator: {_line(error)}", file=sys.stderr)
        return BAD_INPUT
    except BrokenPipeError:  # `orchestrator list columns | head`: nobody reads on
        _drop_output()
        return FAILED
    except OSError as error:  # a SurroundingsError, or of the terminal: it is closed, its disk full
        print(f"orchestrator: {_line(error)}", file=sys.stderr)
        try:
            sys.stdout.flush()
        except OSError:  # it is the output that cannot be written
            _drop_output()
        return FAILED
    except KeyboardInterrupt as error:
        print(f"orchestrator: {_line(error)}", file=sys.stderr)
        return INTERRUPTED
