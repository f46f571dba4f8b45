"""Keep freed memory in the process: on a CPU, training would fault it in again at every step."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Options of glibc's mallopt(3)."""


def keep_freed_memory() -> bool:
    """Let the C allocator of this process reuse large buffers; returns whether it could be told.

    By default glibc maps each large buffer anew and gives it back, and the kernel zeroes its pages
    at first touch: a fifth to a third of the time of a training step on two cores. Only glibc knows it.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False
    return bool(mallopt(M_MMAP_MAX, 0)) and bool(mallopt(M_TRIM_THRESHOLD, 2**31 - 1))
