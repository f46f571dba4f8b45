"""What the command line prints beside results: errors and warnings, each as one line of plain text."""

from __future__ import annotations

import io
import os
import sys
import warnings

from orchestrator.results.plain_text import make_plain

LONGEST = 1000
"""Most characters of an error message."""


def prepare_output() -> None:
    """Replace what a terminal cannot show by escapes, and format warnings as one line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    warnings.formatwarning = _format_warning


def spell_error(error: BaseException) -> str:
    """Spell an error's message and notes as one line of plain text, shortened if a quoted value is long."""
    message = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error)
    line = make_plain(" ".join("; ".join([message, *getattr(error, "__notes__", ())]).split()))
    return line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} … {line[-LONGEST // 2 :]}"


def drop_output() -> None:
    """Discard standard output: Python flushes it again at exit, and would print an error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _format_warning(message: Warning | str, *_: object, **__: object) -> str:
    """Format a warning as one line; where in this program it arose means nothing to a user."""
    return f"orchestrator: WARNING: {make_plain(' '.join(str(message).split()))}\n"
