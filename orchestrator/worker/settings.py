"""The settings of every worker process of a sweep, and the workbench built from them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.datasets.options import AS_THEY_ARE, DataOptions
from tasks.errors import InvalidValue
from tasks.evaluation import metric_named
from tasks.evaluation.metric import Needs
from tasks.roles import ORIGINAL, list_further_roles, reference_role
from tasks.task import Task

if TYPE_CHECKING:
    from tasks.artifacts import Artifact
    from tasks.compute.timed_training import Progress as Training
    from tasks.workbench import Workbench


NEEDED, EVERYTHING = MEASURES = "needed", "all"
"""Of a trial's points before its last, all metrics are measured where they are needed, or everywhere."""


@dataclass(frozen=True)
class WorkerSettings:
    """Settings of a worker: the same for every trial of a sweep."""

    sweep: str
    task: Task
    storage: str
    data_dir: Path | None
    loader: str
    cpus: int
    gpus: float
    objective_columns: tuple[str, ...]
    """What the driver reads of a row, beside what it always does."""
    trial_seconds: float | None
    options: DataOptions = AS_THEY_ARE
    """How the data are read."""
    dtype: str | None = None
    """Dtype of the forward pass: the one of the prepared models, even if this node's device has another default."""
    confirms: str | None = None
    """See the setting of that name."""
    references: int = 2
    """Retrained models that every model is held against."""
    data: str | None = None
    """Fingerprint of the sweep's data: a node may have other data, in a copy or by a download."""
    needs: tuple[str, ...] = ()
    """What is trained beforehand for the methods, beside the models."""
    deterministic: bool = False
    """Whether a trial's cost is a share of FLOPs alone: see the setting of that name."""
    metrics: tuple[str, ...] = ()
    """Metrics on request that are computed for each model, and for the last point of each trial."""
    shadows: int = 0
    """Shadow models, for the metrics that read them; 0 if none does."""

    measure: str = NEEDED
    """See the setting of that name."""

    @property
    def roles(self) -> tuple[str, ...]:
        """Roles of the models that trials start from and are compared with, the original first."""
        return ORIGINAL, *map(reference_role, range(self.references))

    @property
    def trained(self) -> tuple[str, ...]:
        """What has to be trained before the trials: models by role, needs by name, then shadow models by role."""
        return *self.roles, *self.needs, *self.further

    @property
    def further(self) -> tuple[str, ...]:
        """Roles of the shadow models and of the repeats; each is unlearned within each trial."""
        return list_further_roles(self.metric_needs, self.shadows, self.references)

    @property
    def metric_needs(self) -> set[Needs]:
        """What the metrics on request need."""
        return {metric_named(name).needs for name in self.metrics}

    @property
    def limit_seconds(self) -> float | None:
        """Time limit of a trial with all the models that it unlearns; None without a limit."""
        return None if self.trial_seconds is None else self.trial_seconds * (1 + len(self.further))

    def with_dtype(self, dtype: str | None) -> WorkerSettings:
        """Return the same settings with another dtype of the forward pass."""
        return dataclasses.replace(self, dtype=dtype)

    @property
    def artifacts(self) -> str:
        """Storage root of the trained models."""
        return f"{self.storage}/artifacts"


_BUILT: dict[WorkerSettings, Workbench] = {}
"""The process's workbench: at most one, for it holds the images."""


def get_workbench(
    settings: WorkerSettings, threads: int, training: Training | None = None
) -> Workbench:
    """Return the process's workbench, built on first use, and set the number of torch threads.

    `training` is told of the models that choose the forget set, if any are trained for it now.

    Raises InvalidValue if this node's data are not the sweep's, and the errors of `Task.load`.
    """
    import torch

    torch.set_num_threads(threads)  # for this thread: torch keeps one number per thread
    if settings not in _BUILT:
        _BUILT.clear()
        _BUILT[settings] = _build_workbench(settings, training)
    return _BUILT[settings]


_STEPS: dict[tuple[WorkerSettings, int], Workbench] = {}
"""The benches of a sequence's requests, by their numbers; they share the memory of the images on a CPU."""


def open_step(settings: WorkerSettings, task: Task, start: Artifact | None) -> Workbench:
    """Return the process's bench of one request of the sweep's sequence, which begins with `start`.

    `get_workbench` comes first.
    """
    from tasks.workbench import Workbench

    whole = _BUILT[settings]
    if any(known != settings for known, _ in _STEPS):
        _STEPS.clear()
    key = settings, task.step
    if key not in _STEPS:
        place = whole.cache.root, whole.device
        bench = Workbench(task, whole.dataset, *place, settings.loader, settings.dtype, start=start)
        bench.counts_operations_alone = settings.deterministic
        _STEPS[key] = bench
    elif start is not None:
        _STEPS[key].restart(start)
    return _STEPS[key]


def _build_workbench(settings: WorkerSettings, training: Training | None) -> Workbench:
    import torch

    from tasks.compute.allocator import keep_freed_memory
    from tasks.compute.timed_training import silent
    from tasks.workbench import Workbench

    keep_freed_memory()
    if settings.gpus and not torch.cuda.is_available():
        raise OSError(f"torch {torch.__version__} cannot use the GPU here: is its driver too old?")
    device = torch.device("cuda" if settings.gpus else "cpu")
    dataset = settings.task.load(settings.data_dir, settings.options)
    if settings.data not in (None, dataset.fingerprint):
        raise InvalidValue(
            f"the data here are not those of the sweep ({dataset.source}; fingerprint "
            f"{dataset.fingerprint}, not {settings.data})"
        )
    bench = Workbench(
        settings.task,
        dataset,
        settings.artifacts,
        device,
        settings.loader,
        settings.dtype,
        training or silent,
    )
    bench.counts_operations_alone = settings.deterministic
    return bench
