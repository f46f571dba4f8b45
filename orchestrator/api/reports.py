"""Reports from Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def report(
    *names: str,
    output: str | Path = "report.html",
    storage: str | Path = "./results",
    losses: bool = False,
    code: Sequence[str] = (),
) -> Path:
    """Write a page about one sweep, or about several side by side, and return its path.

    It is one HTML file that needs no network. A file in .png or .pdf is the front of one sweep, one in .tex its
    table of methods. With `losses` the recommended trial runs again, once, for the page's loss histograms; it
    may import the `code` that you name. Raises InvalidValue for an unknown sweep, and for a file that
    cannot be written.
    """
    from orchestrator.sweeps.report.write import write_report

    return write_report(names, str(storage), Path(output), losses=losses, code=tuple(code))
