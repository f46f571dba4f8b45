"""What a driver does if its private node dies: it ends in order, before Ray ends it from within C++."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from orchestrator.cluster.interrupts import interrupt_driver
from tasks.errors import ClusterFault

NEEDED = {"gcs_server": "Ray's GCS server", "raylet": "the raylet"}
"""Processes of a node that a driver cannot do without. A raylet ends with its agents."""
GRACE_SECONDS = 10.0
"""Time for the driver to end in order; it may wait within Ray for what is dead."""
NOTICED_SECONDS = 0.5
"""How much later than its effect a death may be noticed."""


class NodeGuard:
    """Watches the processes that this process has started for its private node; the first death interrupts it."""

    def __init__(self) -> None:
        self.fault: str | None = None
        """Which process has died, in one clause."""
        self._closing, self._dead = os.eventfd(0), threading.Event()
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._wait, name="node-guard", daemon=True)
        self._watched: dict[int, str] = {}
        for pid, name in _list_needed():
            with suppress(OSError):  # an old kernel: the watcher alone is left
                self._watched[os.pidfd_open(pid)] = name
        self._thread.start()

    def is_dead(self, seconds: float = 0.0) -> bool:
        """Tell whether the node has died, or does within `seconds`."""
        return self._dead.wait(seconds)

    def close(self) -> None:
        """Stop watching."""
        self._left.set()
        os.eventfd_write(self._closing, 1)
        self._thread.join()
        for each in (self._closing, *self._watched):
            os.close(each)

    def _wait(self) -> None:
        poll = select.poll()
        for each in (self._closing, *self._watched):
            poll.register(each, select.POLLIN)
        ended = [number for number, _ in poll.poll() if number != self._closing]
        if not ended or self._left.is_set():
            return
        self.fault = f"{NEEDED[self._watched[ended[0]]]} died, and the private cluster with it"
        self._dead.set()
        interrupt_driver()
        if not self._left.wait(GRACE_SECONDS):
            os._exit(1)  # the watcher says and removes what this process can no longer


@contextmanager
def guard_node() -> Iterator[NodeGuard]:
    """Watch the private node for the length of the block; raise ClusterFault if it has died.

    The fault has the notes of what ended the block, such as how to go on.
    """
    with ExitStack() as stack:
        guard = NodeGuard()
        stack.callback(guard.close)
        try:
            yield guard
        except BaseException as error:
            if not guard.is_dead(NOTICED_SECONDS if isinstance(error, Exception) else 0):
                raise
            fault = ClusterFault(guard.fault)
            for note in getattr(error, "__notes__", ()):
                fault.add_note(note)
            raise fault from error


def _list_needed() -> Iterator[tuple[int, str]]:
    """Yield id and name of each needed process that this process has started."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError):  # it has ended
            name, _, rest = (folder / "stat").read_text().partition("(")[2].rpartition(")")
            if int(rest.split()[1]) == os.getpid() and name in NEEDED:
                yield int(folder.name), name
