"""`orchestrator report`: sweeps as one HTML file."""

from __future__ import annotations

from pathlib import Path

from orchestrator.cli.flags import STORAGE, Code, Storage, SweepName


def report(
    *names: SweepName,
    output: Path = Path("report.html"),
    storage: Storage = STORAGE,
    watch: bool = False,
    losses: bool = False,
    code: Code = (),
) -> int:
    """Write a page about one sweep, or about several side by side: one HTML file that needs no network.

    Parameters
    ----------
    output
        File of the page, in .html; or of one sweep the front in .png or .pdf, or the table of methods in .tex.
    watch
        Write the page again as trials end, until the sweep ends. An open page loads itself again.
    losses
        Show the losses of forgotten and held-out images, before and after. The recommended trial runs again once.
    """
    from orchestrator.cli.reports import print_training
    from orchestrator.results.plain_text import make_plain
    from orchestrator.sweeps.report.write import watch_report, write_report

    def say(text: str) -> None:
        print(make_plain(text), flush=True)

    if watch:
        watch_report(names, storage, output, say)
    else:
        path = write_report(
            names, storage, output, losses=losses, code=code, say=say, training=print_training
        )
        hint = "; open it in a browser" if path.suffix == ".html" else ""
        say(f"{path}: {path.stat().st_size / 1000:.0f} kB{hint}")
    return 0
