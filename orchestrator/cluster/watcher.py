"""A process beside a driver that says how to go on, and cleans up, if the driver can do neither any more.

It is run as a script. The driver alone holds the other end of its standard input, which closes when the driver ends,
however that happens. Ray ends a driver from within C++, where no Python runs, and SIGKILL does so anywhere.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence

SAY, REMOVE, DISMISS = "say", "remove", "dismiss"
"""The first words of what a driver writes here, one line each."""
TITLE = "ray::"
"""How the titles of Ray's workers and agents begin."""
CLEANING_SECONDS = 10.0
"""Time for the processes of a dead driver to end, and for what they write to be removed."""


def watch(orders: Iterable[str]) -> None:
    """Read orders until the driver has ended; unless it dismissed this process, do what they say."""
    words = ""
    folders: list[str] = []
    for order in orders:
        kind, _, value = order.rstrip("\n").partition(" ")
        if kind == DISMISS:
            return
        if kind == SAY:
            words = value
        elif kind == REMOVE:
            folders.append(value)
    _say(words)
    remove_folders(folders)


def remove_folders(folders: Sequence[str]) -> None:
    """End every process that runs for these folders, then delete them."""
    until = time.monotonic() + CLEANING_SECONDS
    while True:
        found = set(_find_processes(folders))
        for pid in found:
            _kill(pid)
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        if (not found and not any(map(os.path.lexists, folders))) or time.monotonic() > until:
            return
        time.sleep(0.05)


def _find_processes(folders: Iterable[str]) -> Iterator[int]:
    """Yield the processes that run for the folders, and not whoever reads there."""
    places = [f"{folder}/" for folder in folders]
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        with contextlib.suppress(OSError):  # it has ended, or belongs to another user
            if _runs_for(f"/proc/{name}", places):
                yield int(name)


def _runs_for(process: str, places: Iterable[str]) -> bool:
    """Tell whether arguments name a place, as Ray's own do, or output goes there, as a worker's.

    Ray's agents have neither, but a title, and logs in the place.
    """
    with open(f"{process}/cmdline", "rb") as file:
        arguments = os.fsdecode(file.read())
    if any(f"={place}" in arguments for place in places):
        return True
    numbers = os.listdir(f"{process}/fd") if arguments.startswith(TITLE) else ("1", "2")
    for number in numbers:
        with contextlib.suppress(OSError):  # it has been closed
            if os.readlink(f"{process}/fd/{number}").startswith(tuple(places)):
                return True
    return False


def _kill(pid: int) -> None:
    with contextlib.suppress(OSError):  # it has ended meanwhile
        os.kill(pid, signal.SIGKILL)


def _say(words: str) -> None:
    """Write a line to where the driver wrote; nobody may be there any more."""
    with contextlib.suppress(OSError):
        os.write(2, f"{words}\n".encode() if words else b"")


if __name__ == "__main__":
    watch(sys.stdin)
