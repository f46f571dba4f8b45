"""Retries for a file system that fails for a moment, such as NFS while its server restarts."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from typing import TypeVar

PASSING = (errno.ESTALE, errno.EIO, errno.ETIMEDOUT)
"""Error codes of NFS while a server restarts or a file is replaced."""
TRIES = 5
T = TypeVar("T")


def retry_briefly(work: Callable[[], T]) -> T:
    """Return `work()`; try up to five times if the file system fails for a moment."""
    for attempt in range(TRIES - 1):
        try:
            return work()
        except OSError as error:
            if error.errno not in PASSING:
                raise
            time.sleep(0.1 * 2**attempt)
    return work()
