"""Commands on stored sweeps: how far one is, what to do with it, and how two compare."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from orchestrator.cli.flags import STORAGE, Storage, SweepName
from tasks.errors import InvalidValue

if TYPE_CHECKING:
    from orchestrator.sweeps.stored.removal import Removal
    from orchestrator.sweeps.stored.renaming import Renaming

DONE, FAILED = 0, 1
Yes = Annotated[bool, Parameter(negative=(), help="Do not ask.")]


def status(
    name: str | None = None,
    /,
    *,
    watch: Annotated[bool, Parameter(negative=())] = False,
    storage: str | None = None,
    address: str | None = None,
) -> int:
    """Show how far a sweep is, and its front so far. The sweep may run on another machine.

    Parameters
    ----------
    name
        Name of the sweep [default: the latest one].
    watch
        Show it again and again, until no driver runs the sweep; Ctrl-C ends that.
    storage
        Storage root of the sweep [default: ./results, or the cluster's own].
    address
        Dashboard of the Ray cluster that runs the sweep, if this machine cannot read the storage root.
    """
    if address is not None:
        return _ask_there(name, watch, storage, address)
    from orchestrator.cli.status_report import report_status, watch_status

    if watch:
        watch_status(name, storage or STORAGE)
    else:
        report_status(name, storage or STORAGE)
    return DONE


def delete(
    name: SweepName,
    /,
    *,
    models: Annotated[bool, Parameter(negative=())] = False,
    yes: Yes = False,
    storage: Storage = STORAGE,
) -> int:
    """Delete a sweep with its rows, and the sweeps that confirm it.

    Parameters
    ----------
    models
        Delete its trained models too, but for those that rows of another sweep name.
    """
    from orchestrator.sweeps.stored.removal import plan_removal

    removal = plan_removal(name, storage, models=models)
    return _carry_out(removal, "Delete all this?", f"deleted: {', '.join(removal.sweeps)}", yes)


def rename(
    old: SweepName,
    new: Annotated[str, Parameter(help="Its new name.")],
    /,
    *,
    yes: Yes = False,
    storage: Storage = STORAGE,
) -> int:
    """Give a sweep another name, also in its rows and in the sweeps that confirm it."""
    from orchestrator.sweeps.stored.renaming import plan_renaming

    renaming = plan_renaming(old, new, storage)
    return _carry_out(renaming, "Do all this?", f"renamed: {old} is {new} now", yes)


def compare(
    first: SweepName,
    second: Annotated[str, Parameter(help="Name of another sweep of the same task.")],
    /,
    *,
    output: Path | None = None,
    storage: Storage = STORAGE,
) -> int:
    """Say whether the fronts of two sweeps of one task differ beyond their noise.

    Parameters
    ----------
    output
        File for a picture of both fronts; its name ends in .png.
    """
    from orchestrator.reporting.fitted_table import FittedTable, Line
    from orchestrator.reporting.terminal import Terminal, open_console
    from orchestrator.sweeps.export import check_output
    from orchestrator.sweeps.stored.compared import compare_sweeps

    picture = None if output is None else check_output("--output", output, ".png")
    found = compare_sweeps(first, second, storage)
    terminal = Terminal(open_console())
    lines = [Line((what,), cells) for what, *cells in found.list_lines()]
    title = f"{first} and {second}: {found.first.sweep.task}"
    FittedTable(title, ("",), (first, second), "", lines).print(terminal.console)
    for notice in found.notices:
        terminal.say(f"NOTICE: {notice}")
    terminal.say(found.verdict)
    if picture is not None:
        found.draw(picture)
        terminal.say(f"picture: {picture}")
    return DONE


def _ask_there(name: str | None, watch: bool, storage: str | None, address: str) -> int:
    """Print what the cluster's own `status` says; return its exit code."""
    from orchestrator.cluster.jobs import ask_status_there
    from orchestrator.results.plain_text import make_plain

    if name is None or watch:
        what = "the NAME of a sweep" if name is None else "no --watch"
        raise InvalidValue(f"status --address asks a cluster once: give {what}")
    said, code = ask_status_there(name, storage or "", address)
    print(make_plain(said), end="", flush=True)
    return code


def _carry_out(change: Removal | Renaming, question: str, done: str, yes: bool) -> int:
    """Say what a change does, ask, do it, and say that it is `done`; return the exit code."""
    if not _agree(change.list_lines(), question, yes):
        return FAILED
    change.carry_out(print)
    print(done)
    return DONE


def _agree(lines: Iterable[str], question: str, yes: bool) -> bool:
    """Print what will be done, and ask for it on a terminal; raise InvalidValue if there is nobody to ask."""
    from orchestrator.results.plain_text import make_plain

    if not (yes or (sys.stdin.isatty() and sys.stdout.isatty())):
        raise InvalidValue("without a terminal nobody can be asked: add --yes")
    for line in lines:
        print(make_plain(line))
    if yes:
        return True
    print(f"{question} [y/N] ", end="", flush=True)  # `input` would ask on standard error
    agreed = sys.stdin.readline().strip().lower() in ("y", "yes")
    if not agreed:
        print("nothing was changed")
    return agreed
