"""What a sweep leaves on its machine beside its results: folders for temporary files, and processes."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from running import Driver

LEFT_SECONDS = 30.0
"""Time for what a killed driver leaves to be removed, on a machine that is busy."""


class Remains:
    """A short folder in which Ray's sessions and temporary files of a sweep lie: see `environment`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "t").mkdir()
        self.environment = {"RAY_TMPDIR": str(folder), "TMPDIR": str(folder / "t")}
        self._seen: set[psutil.Process] = set()

    def note_processes(self, driver: Driver) -> list[psutil.Process]:
        """Return the processes below a driver, and remember them."""
        found: list[psutil.Process] = []
        with suppress(psutil.NoSuchProcess):
            found = psutil.Process(driver.pid).children(recursive=True)
        self._seen.update(found)
        return found

    def list(self) -> list[str]:
        """List what is left now."""
        places = [*self._folder.glob("ray*"), *(self._folder / "t").iterdir()]
        processes = {*self._find_users(), *filter(is_alive, self._seen)}
        return [*map(str, places), *map(str, processes)]

    def wait_until_gone(self) -> None:
        """Wait until nothing is left; fails if something stays."""
        until = time.monotonic() + LEFT_SECONDS
        while left := self.list():
            assert time.monotonic() < until, f"left behind: {left}"
            time.sleep(0.1)

    def _find_users(self) -> Iterator[psutil.Process]:
        """Yield every process that has a file open there, or names the folder."""
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                folder = Path(f"/proc/{process.pid}/fd")
                links = [os.readlink(link) for link in folder.iterdir()]
                if any(str(self._folder) in each for each in (*links, *process.cmdline())):
                    yield process


def is_alive(which: psutil.Process | int) -> bool:
    """Tell whether a process runs; one that has ended and was not asked how does not."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(which) if isinstance(which, int) else which
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


@contextmanager
def watch_remains() -> Iterator[Remains]:
    """Yield a place for what sweeps leave; delete it after the block. Ray's sockets need a short path."""
    folder = Path(tempfile.mkdtemp(prefix="e", dir="/tmp"))
    try:
        yield Remains(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
