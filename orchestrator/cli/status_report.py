"""What `status` and `list sweeps` print."""

from __future__ import annotations

import time
from contextlib import nullcontext

from rich.console import Console
from rich.live import Live
from rich.panel import Panel

from orchestrator.config.spelling import spell_command
from orchestrator.reporting.cells import make_cell
from orchestrator.reporting.fitted_table import FittedTable, Line
from orchestrator.reporting.front_table import FRONT_COLUMNS, print_front
from orchestrator.reporting.terminal import Terminal, open_console
from orchestrator.sweeps.status import RUNNING, SweepStatus, read_status
from orchestrator.sweeps.stored.catalogue import StoredSweep, find_latest, list_sweeps
from tasks.storage.roots import normalise_root

EVERY_SECONDS = 2.0
"""Seconds between two looks of `status --watch`; more where a look itself takes long."""
HEADINGS = "state", "trials", "failed", "last trial\n(UTC)"


def report_status(name: str | None, storage: str) -> None:
    """Print how far a sweep is, and its front so far. Raises InvalidValue for an unknown name."""
    terminal = Terminal(open_console())
    found = read_status(_choose(name, storage, terminal), storage, more=FRONT_COLUMNS)
    for reason in found.missing:
        terminal.say(f"NOTICE: {reason}")
    terminal.say(found.headline)
    terminal.say(found.progress.format_line())
    print_front(found.config, terminal.console, found.rows)


def watch_status(name: str | None, storage: str) -> None:
    """Print how far a sweep is again and again while a driver runs it, then as `report_status` does."""
    terminal = Terminal(open_console())
    name = _choose(name, storage, terminal)
    try:
        _follow(name, storage, terminal)
    except KeyboardInterrupt as error:
        error.add_note("the sweep goes on")
        raise
    report_status(name, storage)


def report_sweeps(storage: str) -> None:
    """Print a line for each sweep of a storage root, the latest last."""
    terminal = Terminal(open_console())
    found = list_sweeps(storage)
    root = normalise_root(storage)
    if not found:
        return terminal.say(f"no sweep under {root} yet; to start one: {spell_command(['sweep'])}")
    lines = [
        Line(
            (sweep.name, sweep.task or "-"),
            (
                sweep.state,
                f"{sweep.ended}/{sweep.planned}",
                str(sweep.failed),
                f"{sweep.ended_at:%Y-%m-%d %H:%M}" if sweep.ended_at else "-",
            ),
            _spell_best(sweep),
        )
        for sweep in found
    ]
    FittedTable(f"Sweeps under {root}", ("sweep", "task"), HEADINGS, "so far", lines).print(
        terminal.console
    )
    terminal.say(f"more of one: {spell_command(['status', found[-1].name, '--storage', root])}")


def _choose(name: str | None, storage: str, terminal: Terminal) -> str:
    """Return the name that is given, or else that of the latest sweep, and say so."""
    if name is not None:
        return name
    latest, count = find_latest(storage)
    many = f"the latest of {count} sweeps; `orchestrator list sweeps` shows all"
    terminal.say(f"{latest} is {many if count > 1 else 'the only sweep'}")
    return latest


def _follow(name: str, storage: str, terminal: Terminal) -> None:
    """Show the status until no driver runs the sweep: in place on a terminal, else as lines when it changes."""
    console, said = terminal.console, ""
    live = Live(console=console, auto_refresh=False) if console.is_terminal else None
    with live or nullcontext():
        while True:
            start = time.monotonic()
            found = read_status(name, storage)
            if found.state != RUNNING:
                return
            text = found.progress.format_line()
            if live is not None:
                live.update(_panel(found, console), refresh=True)
            elif text != said:
                terminal.say(f"{found.headline}: {text}")
            said = text
            time.sleep(max(EVERY_SECONDS, 4 * (time.monotonic() - start)))


def _panel(found: SweepStatus, console: Console) -> Panel:
    said = found.progress.format_line().replace("; ", "\n")
    return Panel(make_cell(said), title=make_cell(found.headline), width=min(100, console.width))


def _spell_best(sweep: StoredSweep) -> str:
    if sweep.damage:
        return sweep.damage
    best = ", ".join(f"{name} {value:.4g}" for name, value in sweep.best.items())
    return f"best {best or 'none yet'}{f'; confirms {sweep.confirms}' if sweep.confirms else ''}"
