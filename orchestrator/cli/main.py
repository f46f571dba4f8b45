"""The command line: each function below is a command. Bad input gives one line and exit code 2."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter

from orchestrator.cli.influence import influence
from orchestrator.cli.output import drop_output, prepare_output, spell_error
from orchestrator.cluster.jobs import ask_status_there, submit_sweep
from orchestrator.config import JobConfig, SweepConfig, check_name, split_commas
from orchestrator.reporting.plain_text import make_plain
from tasks.datasets.options import AS_THEY_ARE, DataOptions
from tasks.errors import InputError
from tasks.registry import one_of

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
STORAGE = SweepConfig().storage
SweepName = Annotated[str, Parameter(help="Name of the sweep.")]
Storage = Annotated[str, Parameter(help="Storage root: results and trained models.")]
Code = Annotated[
    tuple[str, ...],
    Parameter(
        converter=split_commas,
        n_tokens=1,
        show_default=False,
        negative=(),
        help="Code that the stored sweep may import, as module:attribute,…: a store alone imports nothing.",
    ),
]
Loader = Annotated[str, Parameter(help="auto, ffcv, mapped or resident.")]
Device = Annotated[str, Parameter(help="auto, cpu or cuda.")]
Calibration = Annotated[
    bool,
    Parameter(
        negative=(),
        help="Keep a tenth of the held-out data for methods, as the sweep did. A method that needs it turns it on.",
    ),
]

app = App(
    name="orchestrator",
    help="Find the Pareto front of machine-unlearning methods.",
    suppress_keyboard_interrupt=False,  # `main` prints a message then
)


@app.command
def sweep(config: SweepConfig = SweepConfig()) -> int:  # noqa: B008 - frozen
    """Search the hyper-parameters of unlearning methods and report the Pareto front."""
    return _run_sweep(config)


@app.command(name="submit")
def submit_(config: JobConfig = JobConfig()) -> int:  # noqa: B008 - frozen
    """Send a sweep to a Ray cluster as a job. The job does not need this machine any more."""
    _print(submit_sweep(config) + "\n")
    return DONE


@app.command
def resume(
    name: SweepName,
    /,
    *,
    storage: Storage = STORAGE,
    address: str | None = None,
    code: Code = (),
) -> int:
    """Continue a sweep that was interrupted or killed.

    Parameters
    ----------
    address
        Ray cluster, if it is not the one used before.
    """
    from orchestrator.sweeps.stored.resumed import read_to_resume

    return _run_sweep(read_to_resume(name, storage, address, code))


@app.command
def confirm(
    name: SweepName,
    /,
    *,
    seeds: int = 5,
    points: str = SweepConfig.points,
    storage: Storage = STORAGE,
    address: str | None = None,
    code: Code = (),
) -> int:
    """Run a sweep's front again with fresh seeds, and print which of its points hold.

    Each seed trains two new models. After an interruption, the same command continues.

    Parameters
    ----------
    seeds
        Number of seeds: those that follow the sweep's own seed.
    points
        front, or methods: of each method the recommended point, else its best attempt.
    address
        Ray cluster, if it is not the sweep's.
    """
    from orchestrator.cli.reports import confirm_and_report

    return DONE if confirm_and_report(name, seeds, points, storage, address, code) else FAILED


@app.command
def status(name: SweepName, /, *, storage: str | None = None, address: str | None = None) -> int:
    """Show how far a sweep is, and its front so far. The sweep may run on another machine.

    Parameters
    ----------
    storage
        Storage root of the sweep [default: ./results, or the cluster's own].
    address
        Dashboard of the Ray cluster that runs the sweep, if this machine cannot read the storage root.
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
    task: Annotated[str, Parameter(help="Task, such as digits-class:1.")],
    unlearner: str,
    set_: Annotated[list[str] | None, Parameter(name="--set", negative=())] = None,
    data_dir: Path | None = None,
    options: Annotated[DataOptions, Parameter(name="*", negative=())] = AS_THEY_ARE,
    model: str = "auto",
    seed: int = 0,
    trial_seed: int | None = None,
    loader: Loader = "auto",
    device: Device = "auto",
    cpus_per_trial: int = 1,
    references: int = 2,
    calibration: Calibration = False,
    storage: Storage = STORAGE,
) -> int:
    """Run one trial in this process, without Ray or Optuna, and print all its metrics. It stores no rows.

    Parameters
    ----------
    unlearner
        Method; see `orchestrator list unlearners`.
    set_
        NAME=VALUE of a hyper-parameter; may be repeated.
    data_dir
        Folder with the data set.
    model
        Model family: NAME or NAME:WIDTH. auto chooses by device.
    seed
        Seed of the splits, the forget set and the baselines: a row's task_seed.
    trial_seed
        Seed of the trial: a row's seed [default: the task's].
    cpus_per_trial
        Torch threads, as in a sweep: on a CPU they decide the trained models to the last bit.
    references
        How many models retrained without the forget set the trial is held against: 0, or 2 and more.
    """
    from orchestrator.cli.reports import print_points, print_training
    from orchestrator.sweeps.single_trial import SingleTrial, parse_assignments

    trial = SingleTrial(
        task=task,
        unlearner=unlearner,
        params=parse_assignments(unlearner, set_ or []),
        data_dir=data_dir,
        options=options,
        model=model,
        seed=seed,
        trial_seed=seed if trial_seed is None else trial_seed,
        loader=loader,
        device=device,
        storage=storage,
        cpus=cpus_per_trial,
        references=references,
        calibration=calibration,
    )
    print_points(trial.run(print, print_training))
    return DONE


app.command(influence)


@app.command
def export(
    name: SweepName,
    trial: str | None = None,
    /,
    *,
    output: Path,
    storage: Storage = STORAGE,
    code: Code = (),
) -> int:
    """Write the weights of one trial to a file, with a card that says what they are. The trial runs again.

    Parameters
    ----------
    trial
        Its trial_id [default: the recommended point].
    output
        File that ends in .safetensors. The card beside it ends in .json.
    """
    from orchestrator.cli.reports import export_and_report

    export_and_report(name, trial, storage, output, code)
    return DONE


@app.command(name="list")
def list_(what: str, /) -> int:
    """List the available tasks, forget-sets, unlearners, metrics, objectives, models, samplers, loaders or columns.

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
    """Merge the result files of each sweep into one file. A running sweep is skipped.

    Parameters
    ----------
    sweep
        Merge the files of this sweep only.
    """
    from orchestrator.sweeps.compact import compact_sweeps

    files, rows = compact_sweeps(storage, check_name(sweep) if sweep else None, print)
    print(f"merged {files} files into one per sweep: {rows} rows")
    return DONE


def _run_sweep(config: SweepConfig) -> int:
    """Run a sweep; return the exit code."""
    from orchestrator.cli.reports import sweep_and_report

    return DONE if sweep_and_report(config) else FAILED


def _print(text: str) -> None:
    """Print text and flush, because a person may follow the log."""
    print(make_plain(text), end="", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Run a command line; return the exit code: 0 done, 1 failed, 2 bad input, 130 interrupted.

    Any other exception is a bug: it passes, with its traceback.
    """
    prepare_output()
    try:
        code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
        return int(code or DONE)
    except (CycloptsError, InputError) as error:
        print(f"orchestrator: {spell_error(error)}", file=sys.stderr)
        return BAD_INPUT
    except BrokenPipeError:  # the reader stopped, as in `orchestrator list columns | head`
        drop_output()
        return FAILED
    except OSError as error:  # a SurroundingsError, or standard output is closed or its disk full
        print(f"orchestrator: {spell_error(error)}", file=sys.stderr)
        try:
            sys.stdout.flush()
        except OSError:  # standard output itself cannot be written
            drop_output()
        return FAILED
    except KeyboardInterrupt as error:
        print(f"orchestrator: {spell_error(error)}", file=sys.stderr)
        return INTERRUPTED
