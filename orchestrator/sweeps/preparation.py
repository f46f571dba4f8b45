"""The preparation of a search: an estimate, and the two models that trials are compared with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import ray

from orchestrator.cluster.remote_call import fetch_result
from orchestrator.cluster.resources import Resources
from orchestrator.execution.ray_patches import free_resources
from orchestrator.execution.worker_deaths import MAX_DEATHS, MAX_LOSSES
from orchestrator.reporting.durations import spell_duration
from orchestrator.results.rows import Row
from orchestrator.sweeps.estimate import sweep_seconds
from orchestrator.worker.baselines import Event, Speed, Training, prepare_baselines
from orchestrator.worker.settings import WorkerSettings
from tasks.errors import NodeLost, WorkerLost

if TYPE_CHECKING:
    from orchestrator.reporting.observer import Observer


class Preparation:
    """Trains, measures and stores the original and the retrained model, in a separate process.

    The process starts immediately; `wait_for_retrained` waits for its results.
    """

    def __init__(self, settings: WorkerSettings, resources: Resources, *, calibrate: bool) -> None:
        gpus = 1 if settings.gpus else 0
        threads = max(settings.cpus, 1 if gpus else resources.cpus_of_a_node)
        self._settings, self._resources = settings, resources
        self.search_seconds: float | None = None
        """Estimated time of the search; None until the speed of the hardware is measured."""
        self._arguments = settings, threads, calibrate
        self._waiting = "" if _is_room(threads, gpus) else _waiting(resources, threads, gpus)
        alone: Any = ray.remote(
            num_cpus=threads,
            num_gpus=gpus,
            max_retries=0,
            num_returns="streaming",
            max_calls=1,  # the process then ends: no trial could reuse it, and it holds a gigabyte
        )
        self._task: Any = alone(prepare_baselines)
        self._events: Any = self._task.remote(*self._arguments)

    def wait_for_retrained(self, slots: int, left: Mapping[str, int], observer: Observer) -> Row:
        """Wait until both models are stored; return the row of the retrained model.

        `left` are the numbers of remaining trials by unlearner, and `slots` of them run at a time:
        both serve the estimate. Raises WorkerLost if the process dies too often.
        """
        cpus, gpus = self._settings.cpus, self._settings.gpus
        present = self._resources.count_slots(cpus, gpus)
        if not present:
            observer.say(
                f"NOTICE: no node has room for a trial of {_spell_resources(cpus, gpus)} yet: trials wait "
                "until the cluster adds such a node"
            )
        elif present < slots:
            observer.say(
                f"NOTICE: the present nodes have room for {present} of {slots} concurrent trials; "
                "the others wait until the cluster adds nodes"
            )
        if self._waiting:
            observer.say(self._waiting)
        rows: dict[str, Row] = {}
        for event in self._told(observer):
            match event:
                case Speed() as speed:
                    seconds = sweep_seconds(left, speed, min(gpus, 1) or cpus, slots)
                    self.search_seconds = seconds - speed.training_seconds
                    observer.say(
                        f"estimated time: {spell_duration(seconds)}, {slots} trials at a time"
                    )
                case Training(what, done, total, spent):
                    observer.training(what, done, total, spent)
                case rows:
                    _tell_accuracies(rows, observer)
        return rows["retrained"]

    def _told(self, observer: Observer) -> Iterator[Event]:
        """Yield the events of `prepare_baselines` on the cluster; start it again if its process dies.

        A trained model is kept. The process is restarted up to MAX_LOSSES times after losing its node,
        MAX_DEATHS times after a crash, as a trial is.
        """
        losses = deaths = 0
        while True:
            try:
                for reference in self._events:
                    yield fetch_result(reference)
                return
            except WorkerLost as error:
                lost = isinstance(error, NodeLost)
                losses, deaths = losses + lost, deaths + (not lost)
                if deaths > MAX_DEATHS or losses > MAX_LOSSES:
                    raise
                observer.say(
                    f"NOTICE: {error} while preparing the two models; the preparation starts again"
                )
                self._events = self._task.remote(*self._arguments)


def _is_room(cpus: int, gpus: int) -> bool:
    """Whether a node has so much free now, as far as Ray knows."""
    free = free_resources()
    fits = (n.get("CPU", 0) >= cpus and n.get("GPU", 0) >= gpus for n in free)
    return not free or any(fits)


def _waiting(resources: Resources, cpus: int, gpus: int) -> str:
    """Return the notice for a preparation that waits: nodes are in use, or none is large enough."""
    what = f"NOTICE: the two models are prepared on {_spell_resources(cpus, gpus)} of one node:"
    if resources.count_slots(cpus, gpus):
        return f"{what} these are in use, for instance by another sweep; this sweep waits until they are free"
    return f"{what} no node has that many yet; this sweep waits until the cluster adds such a node"


def _spell_resources(cpus: int, gpus: float) -> str:
    parts = [
        f"{n:g} {what}{'' if n == 1 else 's'}" for n, what in ((cpus, "CPU"), (gpus, "GPU")) if n
    ]
    return " and ".join(parts)


def _tell_accuracies(rows: Mapping[str, Row], observer: Observer) -> None:
    for role, row in rows.items():
        observer.say(
            f"{role} model: test accuracy on retained classes {row['test_accuracy_retained']:.4f}, "
            f"class-matched MIA {row['mia_class_matched_accuracy']:.3f}"
        )
