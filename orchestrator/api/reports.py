"""Reports from Python."""

from __future__ import annotations

from pathlib import Path


def report(
    *names: str, output: str | Path = "report.html", storage: str | Path = "./results"
) -> Path:
    """Write a page about one sweep, or about several side by side, and return its path.

    It is one HTML file that needs no network. Raises InvalidValue for an unknown sweep, and for a file that
    cannot be written.
    """
    from orchestrator.sweeps.report.write import write_report

    return write_report(names, str(storage), Path(output))
