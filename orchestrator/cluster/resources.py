"""The CPUs and GPUs of a cluster's nodes, and how many trials fit on them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

DEFAULT_GPU_SHARE = 0.25


@dataclass(frozen=True)
class Resources:
    """CPUs and GPUs of each node of the cluster."""

    nodes: tuple[tuple[int, int], ...]

    @property
    def gpus(self) -> int:
        """GPUs of the whole cluster."""
        return sum(gpus for _, gpus in self.nodes)

    def count_slots(self, cpus: int, gpus: float) -> int:
        """Count the trials of that size that run at a time.

        A trial fits into one node. A fraction of a GPU fits into one GPU.
        """
        return sum(min(n // cpus, _shares(g, gpus)) if gpus else n // cpus for n, g in self.nodes)


def count_local_resources() -> Resources:
    """Return the approximate resources of a private cluster, for estimates before Ray starts."""
    gpus = sum(1 for _ in Path("/dev").glob("nvidia[0-9]*"))
    return Resources(((os.cpu_count() or 1, gpus),))


def _shares(gpus: int, share: float) -> int:
    """Count the trials that fit on `gpus` GPUs, if each takes `share` GPUs."""
    return gpus * int(1 / share + 1e-9) if share < 1 else int(gpus // share)
