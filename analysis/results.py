"""What every analysis script shares: reading a results path, choosing its sweep, ending plainly."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pyarrow as pa
from cyclopts import App, CycloptsError

from orchestrator.results.columns import COLUMNS
from orchestrator.results.confirmation import Confirmation, confirmation
from orchestrator.results.objectives import Objective, objective_named
from orchestrator.results.store import read_results
from orchestrator.results.sweep_rows import ORIGINAL, RETRAINED, Row, Sweep, finished_at


class BadInput(ValueError):
    """Something the caller can put right; the message is one line that says what."""


def read_sweep(results: str, name: str | None = None) -> Sweep:
    """A sweep of a storage root: the one named, or else the one that finished a trial last.

    One that runs another's front again is read only if it is named, or if there is no other.

    What is missing or was skipped is noted on standard error. Raises BadInput if the path cannot
    be read or holds no results, and for an unknown sweep, listing the valid ones.
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
        note(f"the latest sweep, {chosen}; --sweep chooses another: {others}")
    sweep = Sweep(chosen, _read(results, chosen, list(COLUMNS), said))
    _note_gaps(sweep)
    return sweep


def read_confirmation(results: str, sweep: Sweep, objective: Objective) -> Confirmation:
    """The front of a sweep with its repeats; raises BadInput if there is none yet."""
    found = confirmation(_read(results, None, list(COLUMNS), set()), sweep.name, objective)
    if not found.points:
        raise BadInput(
            f"the front of sweep {sweep.name!r} was not run again yet: orchestrator confirm {sweep.name}"
        )
    return found


def parse_objective(name: str) -> Objective:
    """A registered objective or a user's own; raises BadInput, which lists the valid ones."""
    try:
        return objective_named(name)
    except ValueError as error:
        raise BadInput(str(error)) from error


def figures_folder(results: str, out: Path | None) -> Path:
    """Where a script writes its figures: `out`, or else beside the results if these are in a folder."""
    if out is not None:
        return out
    return Path("figures") if "://" in results else Path(results).expanduser() / "figures"


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Make the folder for what the block writes; raises BadInput if it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise BadInput(f"cannot write to {folder}: {error.strerror or error}") from error


def note(message: str) -> None:
    """Print a remark to standard error, so that standard output stays the result alone."""
    print(f"note: {message}", file=sys.stderr)


def run(command: Callable[..., None], argv: Sequence[str] | None = None) -> int:
    """Run a script's command, whose signature says its flags; returns the exit code.

    0 when done, 2 for bad input, said in one line.
    """
    app = App(
        name=f"{command.__name__}.py",
        help=command.__doc__,
        version_flags=(),
        result_action="return_value",
    )
    app.default(command)
    try:
        app(sys.argv[1:] if argv is None else argv, exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except (BadInput, CycloptsError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _read(results: str, sweep: str | None, columns: Sequence[str], said: set[str]) -> list[Row]:
    """The rows of all sweeps or one; notes what was skipped, unless that was `said` before."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            rows = read_results(results, sweep, columns).to_pylist()
        except (pa.ArrowException, OSError, ValueError) as error:
            raise BadInput(f"cannot read {results}: {str(error).splitlines()[0]}") from error
    for message in (str(warning.message) for warning in caught):
        if message not in said:
            note(message)
        said.add(message)
    if not rows and "://" not in results and not Path(results).expanduser().exists():
        raise BadInput(f"no results in {results}: there is no such folder")
    return rows


def _note_gaps(sweep: Sweep) -> None:
    for role in (ORIGINAL, RETRAINED):
        if sweep.baseline(role) is None:
            note(f"sweep {sweep.name} has no row of the {role} model yet")
    if not sweep.finals:
        note(f"sweep {sweep.name} has no complete trial yet")
    if sweep.failures:
        note(f"{len(sweep.failures)} failed trials are left out")
    if sweep.pruned:
        note(
            f"{len(sweep.pruned)} trials were ended by a limit: their points count, as no trial's end"
        )
