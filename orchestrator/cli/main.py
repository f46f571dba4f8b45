"""The command line: each function below is a command. Bad input gives one line and exit code 2."""

from __future__ import annotations

import sys
from pathlib import Path

from cyclopts import App, CycloptsError

from orchestrator.cli.flags import (
    STORAGE,
    Code,
    ConfigFile,
    DryRun,
    KeepShadows,
    Log,
    ReportFile,
    Shadows,
    Storage,
    SweepName,
)
from orchestrator.cli.given_values import read_file, refuse_fractions
from orchestrator.cli.influence import influence
from orchestrator.cli.output import drop_output, prepare_output, spell_error
from orchestrator.cli.report import report
from orchestrator.cli.single_trial import run
from orchestrator.cli.stored_sweeps import compare, delete, rename, status
from orchestrator.cluster.connection import leave_process
from orchestrator.cluster.jobs import submit_sweep
from orchestrator.config import JobConfig, SweepConfig, check_name
from orchestrator.config.version import __version__
from orchestrator.results.plain_text import make_plain
from tasks.errors import InputError
from tasks.registry import one_of, see_current_folder

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

app = App(
    name="orchestrator",
    help="Find the Pareto front of machine-unlearning methods.",
    version=__version__,
    config=[read_file, refuse_fractions],
    suppress_keyboard_interrupt=False,  # `main` prints a message then
)

app.register_install_completion_command(
    help="Make the Tab key complete commands, flags and file names in bash, zsh or fish."
)


@app.command
def sweep(
    config: SweepConfig = SweepConfig(),  # noqa: B008 - frozen
    *,
    config_file: ConfigFile = None,
    dry_run: DryRun = False,
    report: ReportFile = None,
) -> int:
    """Search the hyper-parameters of unlearning methods and report the Pareto front."""
    if dry_run:
        from orchestrator.sweeps.preview.preview import preview_sweep
        from orchestrator.sweeps.report.write import check_page

        if report is not None:
            check_page("--report", report)

        _print("".join(f"{line}\n" for line in preview_sweep(config).list_lines()))
        return DONE
    return _run_sweep(config, report)


@app.command(name="submit")
def submit_(
    config: JobConfig = JobConfig(),  # noqa: B008 - frozen
    *,
    config_file: ConfigFile = None,
) -> int:
    """Send a sweep to a Ray cluster as a job. The job does not need this machine any more."""
    _print(submit_sweep(config) + "\n")
    return DONE


@app.command
def resume(
    name: SweepName,
    /,
    *,
    trials: int | None = None,
    budget: str | None = None,
    storage: Storage = STORAGE,
    address: str | None = None,
    code: Code = (),
    log: Log = (),
) -> int:
    """Continue a sweep that was interrupted or killed, or give a finished one more trials.

    Parameters
    ----------
    trials
        New number of trials per unlearner in all; more than before.
    budget
        Wall time that it may take from now on, such as 10m; alone, as many trials as fit.
    address
        Ray cluster, if it is not the one used before.
    """
    from orchestrator.sweeps.stored.resumed import read_to_resume

    return _run_sweep(read_to_resume(name, storage, address, code, trials, log, budget))


@app.command
def confirm(
    name: SweepName,
    /,
    *,
    seeds: int = 5,
    points: str = SweepConfig.points,
    metrics: str = SweepConfig.metrics,
    shadows: Shadows = SweepConfig.shadows,
    keep_shadows: KeepShadows = SweepConfig.keep_shadows,
    storage: Storage = STORAGE,
    address: str | None = None,
    code: Code = (),
) -> int:
    """Run a sweep's front again with fresh seeds, and print which of its points hold.

    Each seed trains an original model, and as many references as the sweep has. After an interruption, the same
    command continues.

    Parameters
    ----------
    seeds
        Number of seeds: those that follow the sweep's own seed.
    points
        front, or methods: of each method the recommended point, else its best attempt.
    metrics
        Metrics on request, such as looks inside: names, all, shadows, or all,-NAME. See `orchestrator list metrics`.
        Those by shadow models are of the first fresh seed.
    address
        Ray cluster, if it is not the sweep's.
    """
    from orchestrator.cli.reports import confirm_and_report

    asked = metrics, shadows, keep_shadows
    done = confirm_and_report(name, seeds, points, asked, storage, address, code)
    return DONE if done else FAILED


for stored in (status, delete, rename, compare):
    app.command(stored)
app.command(run)
app.command(influence)
app.command(report)


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
def list_(what: str, /, *, storage: Storage = STORAGE) -> int:
    """List the stored sweeps, or what is available: tasks, unlearners, metrics and the like.

    Parameters
    ----------
    what
        sweeps, tasks, datasets, forget-sets, unlearners, metrics, objectives, models, samplers, loaders, loggers or
        columns.
    storage
        Storage root of the sweeps.
    """
    from orchestrator.cli.listing import LISTINGS, SWEEPS

    if one_of("listing", what, [SWEEPS, *LISTINGS]) == SWEEPS:
        from orchestrator.cli.status_report import report_sweeps

        report_sweeps(storage)
        return DONE
    for line in LISTINGS[what]():
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


def _run_sweep(config: SweepConfig, page: Path | None = None) -> int:
    """Run a sweep, and keep a `page` about it; return the exit code."""
    from orchestrator.cli.reports import sweep_and_report

    return DONE if sweep_and_report(config, page) else FAILED


def _print(text: str) -> None:
    """Print text and flush, because a person may follow the log."""
    print(make_plain(text), end="", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Run a command line [default: that of this process]; return its exit code as `_run_command` does."""
    code = _run_command(arguments)
    return leave_process(code) if arguments is None else code


def _run_command(arguments: list[str] | None) -> int:
    """Run a command line; return the exit code: 0 done, 1 failed, 2 bad input, 130 interrupted.

    Any other exception is a bug: it passes, with its traceback.
    """
    prepare_output()
    see_current_folder()
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
