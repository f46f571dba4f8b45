"""The page of one or several sweeps as a file, or what a paper needs of one: its front and its table.

A running sweep's is written again as its rows come in.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.config import SweepConfig
from orchestrator.results.files import ROWS
from orchestrator.results.objectives import objective_named
from orchestrator.results.store import read_results
from orchestrator.sweeps.export import check_output
from orchestrator.sweeps.folder import read_config
from orchestrator.sweeps.report.losses import measure_losses, read_losses
from orchestrator.sweeps.status import RUNNING, read_status
from orchestrator.sweeps.stored.catalogue import list_confirming
from tasks.errors import InvalidValue
from tasks.storage.roots import open_root

if TYPE_CHECKING:
    from orchestrator.reporting.page.content import SweepContent

PAGE, PICTURES, TABLE = ".html", (".png", ".pdf"), ".tex"
"""Endings of the file, by what is written."""
EVERY_SECONDS = 5.0
"""Between two looks at the store, while a sweep runs."""


def write_report(
    names: Sequence[str],
    storage: str,
    output: Path,
    *,
    losses: bool = False,
    code: tuple[str, ...] = (),
    say: Callable[[str], None] = lambda _: None,
    training: Callable[[str, float, int, float], None] = lambda *_: None,
) -> Path:
    """Write one self-contained HTML file about these sweeps; return its absolute path.

    A file that ends in .png or .pdf gets the front of one sweep, one that ends in .tex its table of methods. Raises
    InvalidValue for an unknown sweep, no name at all, a name given twice, a picture without a point, and a file
    that cannot be written. With `losses` the recommended trial of each sweep runs again first, unless its
    histograms are stored: see `measure_losses`.
    """
    configs, path = _check(names, storage, output)
    for config in configs if losses else ():
        measure_losses(config, code, say, training)
    write_page(read_contents(configs), path)
    return path


def watch_report(
    names: Sequence[str], storage: str, output: Path, say: Callable[[str], None]
) -> Path:
    """Write the page as `write_report` does, and again whenever there are new rows, until no sweep runs."""
    configs, path = _check(names, storage, output)
    before = None
    while True:
        now = _list_row_files(configs)
        running = [c.name for c in configs if read_status(str(c.name), c.storage).state == RUNNING]
        if now != before or not running:
            contents = read_contents(configs)
            write_page(contents, path, refresh=EVERY_SECONDS if running else None)
            say(f"{path}: {sum(len(content.rows) for content in contents)} rows")
        if not running:
            return path
        before = now
        time.sleep(EVERY_SECONDS)


def check_page(flag: str, output: Path) -> Path:
    """Return the file of a page as an absolute path; raise InvalidValue if it cannot be one."""
    return check_output(flag, output, PAGE)


def _check(names: Sequence[str], storage: str, output: Path) -> tuple[list[SweepConfig], Path]:
    """Return the configurations and the file, before anything is read at length."""
    path = check_output("--output", output, PAGE, *PICTURES, TABLE)
    if not names:
        raise InvalidValue("report needs the name of a sweep: orchestrator report NAME")
    if len(set(names)) < len(names):
        raise InvalidValue(f"report names a sweep twice: {', '.join(names)}")
    if len(names) > 1 and path.suffix != PAGE:
        raise InvalidValue(f"--output {path.name} is of one sweep; several are a page: {PAGE}")
    configs = [read_config(name, storage) for name in names]
    for config in configs:
        objective_named(config.aim)
    return configs, path


def read_contents(configs: Sequence[SweepConfig]) -> list[SweepContent]:
    """Read what the page tells of each sweep; all of them lie under one storage root."""
    from orchestrator.reporting.page.content import SweepContent

    names = pa.array([config.name for config in configs])
    table = read_results(configs[0].storage)
    about = pc.is_in(table["sweep"], names), pc.is_in(table["confirms"], names)
    rows = table.filter(pc.or_kleene(*about)).to_pylist()
    contents = []
    for config in configs:
        found = read_status(str(config.name), config.storage)
        losses = read_losses(config)
        own = [row for row in rows if row["sweep"] == config.name]
        repeats = [row for row in rows if row["confirms"] == config.name]
        total = found.progress.total
        contents.append(SweepContent(config, own, repeats, found.state, total, losses))
    return contents


def _list_row_files(configs: Sequence[SweepConfig]) -> list[str]:
    """List the files of rows of these sweeps and of those that confirm them: they change as trials end."""
    storage = configs[0].storage
    place, own = open_root(storage), [str(config.name) for config in configs]
    sweeps = dict.fromkeys([*own, *list_confirming(own, storage)])
    return [f"{name}/{file}" for name in sweeps for file in place.list_names(f"{ROWS}/{name}")]


def write_page(
    contents: Sequence[SweepContent], path: Path, *, refresh: float | None = None
) -> None:
    """Write the file whole or not at all: a reader may load it meanwhile."""
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)  # of a process that was killed; a link is not followed
    try:
        part.write_bytes(_render(contents, path.suffix, refresh))
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _render(contents: Sequence[SweepContent], suffix: str, refresh: float | None) -> bytes:
    if suffix in PICTURES:
        from orchestrator.results.figures.front import render_front

        front = contents[0].front
        if not front.drawn and not front.baselines:
            raise InvalidValue(f"sweep {contents[0].name!r} has no point to draw yet")
        return render_front(front, suffix.removeprefix("."))
    if suffix == TABLE:
        from orchestrator.reporting.page.latex import render_methods

        return render_methods(contents[0]).encode()
    from orchestrator.reporting.page.render import render_page

    return render_page(contents, refresh=refresh).encode()
