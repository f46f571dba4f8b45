"""The driver's side of its watcher: what is to be said and removed if the driver is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

from orchestrator.cluster import watcher as watcher_process

TMPDIR = "TMPDIR"
"""Environment variable with the folder of temporary files."""
DEAF_TO = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT)
"""What ends a whole terminal or service. A watcher ends with its driver in any case."""
LEAVING_SECONDS = 5.0
"""Time for a dismissed watcher to end."""


class Watcher:
    """A small process that outlives this one; see orchestrator/cluster/watcher.py. Its own death is harmless."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._orders: IO[bytes] | None = None
        # A new process inherits what is blocked, so that it is never without.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, DEAF_TO)
        with suppress(OSError):  # no room for a process: the sweep does without
            self._process = subprocess.Popen(
                # Isolated, and without site-packages: it starts within 20 ms, and needs nothing.
                [sys.executable, "-I", "-S", str(watcher_process.__file__)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",
                bufsize=0,
            )
            self._orders = self._process.stdin
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def say(self, words: str) -> None:
        """Set the line that is written to standard error if this process ends without a word."""
        self._order(f"{watcher_process.SAY} {' '.join(words.split())}")

    def remove(self, folder: str) -> None:
        """Note a folder to be deleted if this process is killed, after the processes that run for the folder."""
        if "\n" not in folder:
            self._order(f"{watcher_process.REMOVE} {folder}")

    def dismiss(self) -> None:
        """End the watcher: this process has said and removed everything itself."""
        self._order(watcher_process.DISMISS)
        if self._process is None or self._orders is None:
            return
        with suppress(OSError, subprocess.TimeoutExpired):
            self._orders.close()
            self._process.wait(LEAVING_SECONDS)

    def _order(self, line: str) -> None:
        if self._orders is not None:
            with suppress(OSError):  # the watcher is dead
                self._orders.write(f"{line}\n".encode())


@contextmanager
def open_watcher() -> Iterator[Watcher]:
    """Yield a watcher of this process; dismiss it after the block, also after an error, which is then said."""
    own = Watcher()
    try:
        yield own
    finally:
        own.dismiss()


@contextmanager
def open_scratch(watcher: Watcher | None = None) -> Iterator[str]:
    """Yield a new folder, in which temporary files of this process and of those that it starts lie in the block.

    It is deleted after the block, or by the watcher. Libraries make folders when they are imported, and a process
    that is killed, as Ray kills workers, would leave them.
    """
    before, variable = tempfile.tempdir, os.environ.get(TMPDIR)
    folder = tempfile.mkdtemp(prefix="sweep-")
    if watcher is not None:
        watcher.remove(folder)
    tempfile.tempdir = os.environ[TMPDIR] = folder
    try:
        yield folder
    finally:
        tempfile.tempdir = before
        os.environ.pop(TMPDIR)
        if variable is not None:
            os.environ[TMPDIR] = variable
        watcher_process.remove_folders([folder])
