"""What every process of a sweep that computes is told, and the workbench that it builds from it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.errors import InvalidValue
from tasks.task import Task

if TYPE_CHECKING:
    from tasks.workbench import Workbench


@dataclass(frozen=True)
class WorkerSettings:
    """What a worker needs to know, the same for every trial of a sweep."""

    sweep: str
    task: Task
    storage: str
    data_dir: Path | None
    loader: str
    cpus: int
    gpus: float
    objective_metrics: tuple[str, ...]
    trial_seconds: float | None
    dtype: str | None = None
    """Of the forward pass: the two models', whatever this node's device would choose for itself."""
    confirms: str | None = None
    """See the setting of that name."""
    references: int = 2
    """Retrained models that every model is held against."""
    data: str | None = None
    """Fingerprint of the sweep's data: a node may have another copy, or have downloaded one."""

    @property
    def artifacts(self) -> str:
        """Where trained models are kept."""
        return f"{self.storage}/artifacts"


def workbench(settings: WorkerSettings, threads: int) -> Workbench:
    """The process's workbench, built on first use, with `threads` torch threads from now on.

    Raises InvalidValue if this node's data are not the sweep's, and what `Task.load` does.
    """
    import torch

    torch.set_num_threads(threads)  # of this thread: each has a number of its own
    return _workbench(settings)


@functools.lru_cache(maxsize=1)
def _workbench(settings: WorkerSettings) -> Workbench:
    import torch

    from tasks.compute.allocator import keep_freed_memory
    from tasks.workbench import Workbench

    keep_freed_memory()
    if settings.gpus and not torch.cuda.is_available():
        raise OSError(f"torch {torch.__version__} cannot use the GPU here: is its driver too old?")
    device = torch.device("cuda" if settings.gpus else "cpu")
    dataset = settings.task.load(settings.data_dir)
    if settings.data not in (None, dataset.fingerprint):
        raise InvalidValue(
            f"the data here are not those of the sweep ({dataset.source}; fingerprint "
            f"{dataset.fingerprint}, not {settings.data})"
        )
    return Workbench(
        settings.task, dataset, settings.artifacts, device, settings.loader, settings.dtype
    )
