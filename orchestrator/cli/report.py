"""`orchestrator report`: sweeps as one HTML file."""

from __future__ import annotations

from pathlib import Path

from orchestrator.cli.flags import STORAGE, Storage, SweepName


def report(
    *names: SweepName,
    output: Path = Path("report.html"),
    storage: Storage = STORAGE,
    watch: bool = False,
) -> int:
    """Write a page about one sweep, or about several side by side: one HTML file that needs no network.

    Parameters
    ----------
    output
        File of the page; its name ends in .html.
    watch
        Write the page again as trials end, until the sweep ends. An open page loads itself again.
    """
    from orchestrator.reporting.plain_text import make_plain
    from orchestrator.sweeps.report.write import watch_report, write_report

    def say(text: str) -> None:
        print(make_plain(text), flush=True)

    if watch:
        watch_report(names, storage, output, say)
    else:
        path = write_report(names, storage, output)
        say(f"{path}: {path.stat().st_size / 1000:.0f} kB; open it in a browser")
    return 0
