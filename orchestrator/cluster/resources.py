"""What the nodes of a cluster hold, and how many trials fit there."""

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

    @property
    def cpus_of_a_node(self) -> int:
        """The most CPUs that a single process can have."""
        return max((cpus for cpus, _ in self.nodes), default=1)

    def slots(self, cpus: int, gpus: float) -> int:
        """How many trials of that size run at a time: each within one node, a share within one GPU."""
        return sum(min(n // cpus, _shares(g, gpus)) if gpus else n // cpus for n, g in self.nodes)


def this_machine() -> Resources:
    """About what a private cluster will have, for what must be said before Ray starts and counts."""
    gpus = sum(1 for _ in Path("/dev").glob("nvidia[0-9]*"))
    return Resources(((os.cpu_count() or 1, gpus),))


def _shares(gpus: int, share: float) -> int:
    """How many trials that have `share` of a GPU, or several GPUs, find room on `gpus`."""
    return gpus * int(1 / share + 1e-9) if share < 1 else int(gpus // share)
