"""Shared code of the analysis scripts: read results, choose a sweep, report errors in one line."""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import pyarrow as pa
from cyclopts import App, CycloptsError, Parameter

from orchestrator.results.columns import COLUMNS
from orchestrator.results.confirmation.repeats import Confirmation, build_confirmation
from orchestrator.results.objectives import Objective, objective_named
from orchestrator.results.plain_text import make_plain
from orchestrator.results.recommendation import check_points
from orchestrator.results.store import read_results
from orchestrator.results.sweep_rows import ORIGINAL, RETRAINED, Row, Sweep, finished_at

Results = Annotated[str, Parameter(help="Storage root of the sweep.")]
SweepName = Annotated[str | None, Parameter(help="Name of the sweep; the latest if not given.")]


class BadInput(ValueError):
    """Bad input that the caller can correct; the message is one line."""


def read_sweep(results: str, name: str | None = None) -> Sweep:
    """Read a sweep of a storage root: the named one, else the one that finished a trial last.

    A sweep that confirms another is read only if it is named, or if there is no other. Notes on
    standard error tell about missing and skipped rows. Raises BadInput if the path cannot be read or
    holds no results, and for an unknown sweep, listing the valid ones.
    """
    said: set[str] = set()
    latest: dict[str, tuple[bool, datetime]] = {}
    for row in _read(results, None, ["sweep", "finished_at", "confirms"], said):
        rank = not row["confirms"], finished_at(row)
        latest[row["sweep"]] = max(rank, latest.get(row["sweep"], rank))
    if not latest:
        raise BadInput(f"no results in {results}: give the storage root of a sweep")
    if name is not None and name not in latest:
        raise BadInput(f"unknown sweep {name!r}; valid: {', '.join(sorted(latest))}")
    chosen = name or max(latest, key=lambda sweep: latest[sweep])
    if name is None and len(latest) > 1:
        others = ", ".join(sorted(set(latest) - {chosen}))
        print_note(f"the latest sweep, {chosen}; --sweep chooses another: {others}")
    sweep = Sweep(chosen, _read(results, chosen, list(COLUMNS), said))
    _note_gaps(sweep)
    return sweep


def read_confirmation(
    results: str, sweep: Sweep, objective: Objective, points: str
) -> Confirmation:
    """Read the chosen points of a sweep (see POINTS) with their repeats.

    Raises BadInput for an unknown choice, and if there are no repeats yet.
    """
    try:
        check_points(points)
    except ValueError as error:
        raise BadInput(str(error)) from error
    rows = _read(results, None, list(COLUMNS), set())
    found = build_confirmation(rows, sweep.name, objective, points)
    if not found.points:
        raise BadInput(
            f"the {points} of sweep {sweep.name!r} have not been confirmed yet: "
            f"orchestrator confirm {sweep.name} --points {points}"
        )
    return found


def parse_objective(name: str) -> Objective:
    """Return a registered objective or a user's own; raise BadInput, which lists the valid ones."""
    try:
        return objective_named(name)
    except ValueError as error:
        raise BadInput(str(error)) from error


def figures_folder(results: str, out: Path | None) -> Path:
    """Return the folder of figures: `out`, or a folder inside the results, or ./figures for a remote root."""
    if out is not None:
        return out
    return Path("figures") if "://" in results else Path(results).expanduser() / "figures"


@contextmanager
def make_folder(folder: Path) -> Iterator[None]:
    """Make the folder for the files of the block; raise BadInput if it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise BadInput(f"cannot write to {folder}: {error.strerror or error}") from error


def print_note(message: str) -> None:
    """Print a remark to standard error, so that standard output stays the result alone."""
    print(make_plain(f"note: {message}"), file=sys.stderr)


def run_script(command: Callable[..., None], argv: Sequence[str] | None = None) -> int:
    """Run a script's command, whose signature declares the flags; return the exit code.

    The code is 0 when done, and 2 for bad input, with one line about it.
    """
    app = App(
        name=f"{command.__name__}.py",
        help=command.__doc__,
        version_flags=(),
        result_action="return_value",
    )
    app.default(command)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(
            stream, io.TextIOWrapper
        ):  # a terminal that lacks a character shows its escape
            stream.reconfigure(errors="backslashreplace")
    try:
        app(sys.argv[1:] if argv is None else argv, exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except (BadInput, CycloptsError) as error:
        print(make_plain(f"error: {' '.join(str(error).split())}"), file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _read(results: str, sweep: str | None, columns: Sequence[str], said: set[str]) -> list[Row]:
    """Read the rows of all sweeps or one; note skipped files that are not in `said` yet."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            rows = read_results(results, sweep, columns).to_pylist()
        except (pa.ArrowException, OSError, ValueError) as error:
            raise BadInput(f"cannot read {results}: {str(error).splitlines()[0]}") from error
    for message in (str(warning.message) for warning in caught):
        if message not in said:
            print_note(message)
        said.add(message)
    if not rows and "://" not in results and not Path(results).expanduser().exists():
        raise BadInput(f"no results in {results}: there is no such folder")
    return rows


def _note_gaps(sweep: Sweep) -> None:
    for role in (ORIGINAL, RETRAINED):
        if sweep.baseline(role) is None:
            print_note(f"sweep {sweep.name} has no row of the {role} model yet")
    if not sweep.finals:
        print_note(f"sweep {sweep.name} has no complete trial yet")
    if sweep.failures:
        print_note(f"{len(sweep.failures)} failed trials are left out")
    if sweep.pruned:
        print_note(
            f"{len(sweep.pruned)} trials were stopped by a limit: their points count, but not as final points"
        )
