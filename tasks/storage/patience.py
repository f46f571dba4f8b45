"""File systems that are in trouble for a moment, as NFS is while its server restarts."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from typing import TypeVar

PASSING = (errno.ESTALE, errno.EIO, errno.ETIMEDOUT)
"""What NFS may say while a server restarts or a file is replaced."""
TRIES = 5
T = TypeVar("T")


def patiently(work: Callable[[], T]) -> T:
    """What it returns, at one of several tries if the file system is in trouble for a moment."""
    for attempt in range(TRIES - 1):
        try:
            return work()
        except OSError as error:
            if error.errno not in PASSING:
                raise
            time.sleep(0.1 * 2**attempt)
    return work()
