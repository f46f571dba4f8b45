"""What stands before the search: an estimate, and the two models that trials are held against."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import ray

from orchestrator.cluster.remote_call import got
from orchestrator.cluster.resources import Resources
from orchestrator.execution.ray_patches import free_resources
from orchestrator.execution.worker_deaths import MAX_DEATHS, MAX_LOSSES
from orchestrator.reporting.durations import spell_duration
from orchestrator.results.rows import Row
from orchestrator.sweeps.estimate import sweep_seconds
from orchestrator.worker.baselines import Event, Speed, Training, baselines
from orchestrator.worker.settings import WorkerSettings
from tasks.errors import NodeLost, WorkerLost

if TYPE_CHECKING:
    from orchestrator.reporting.observer import Observer


class Preparation:
    """Trains, measures and stores the original and the retrained model, in a process of its own.

    That is started at once; `retrained` waits for it.
    """

    def __init__(self, settings: WorkerSettings, resources: Resources, *, calibrate: bool) -> None:
        gpus = 1 if settings.gpus else 0
        threads = max(settings.cpus, 1 if gpus else resources.cpus_of_a_node)
        self._settings, self._resources = settings, resources
        self.search_seconds: float | None = None
        """What the search is expected to take, once this machine's speed is known."""
        self._arguments = settings, threads, calibrate
        self._waiting = "" if _is_room(threads, gpus) else _waiting(resources, threads, gpus)
        alone: Any = ray.remote(
            num_cpus=threads,
            num_gpus=gpus,
            max_retries=0,
            num_returns="streaming",
            max_calls=1,  # then its process ends: no trial could have it, and it holds a gigabyte
        )
        self._task: Any = alone(baselines)
        self._events: Any = self._task.remote(*self._arguments)

    def retrained(self, slots: int, left: Mapping[str, int], observer: Observer) -> Row:
        """The retrained model's row, once both are stored.

        For the estimate, `left` are the trials still to be run, by unlearner, `slots` of them at a
        time. Raises WorkerLost if the process that does it dies again and again.
        """
        cpus, gpus = self._settings.cpus, self._settings.gpus
        present = self._resources.slots(cpus, gpus)
        if not present:
            observer.say(
                f"NOTICE: no node holds a trial of {_spell_resources(cpus, gpus)} yet: trials wait for nodes "
                "that the cluster would have to add"
            )
        elif present < slots:
            observer.say(
                f"NOTICE: the nodes that are there hold {present} of {slots} trials at a time; "
                "the others wait for nodes that the cluster adds"
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
        """What `baselines` yields on the cluster; from the start again if its process dies.

        A trained model is kept. As a trial, it may lose its node more often than die by itself.
        """
        losses = deaths = 0
        while True:
            try:
                for reference in self._events:
                    yield got(reference)
                return
            except WorkerLost as error:
                lost = isinstance(error, NodeLost)
                losses, deaths = losses + lost, deaths + (not lost)
                if deaths > MAX_DEATHS or losses > MAX_LOSSES:
                    raise
                observer.say(
                    f"NOTICE: {error} while it prepared the two models; it is started again"
                )
                self._events = self._task.remote(*self._arguments)


def _is_room(cpus: int, gpus: int) -> bool:
    """Whether a node has so much free now, as far as Ray knows."""
    free = free_resources()
    fits = (n.get("CPU", 0) >= cpus and n.get("GPU", 0) >= gpus for n in free)
    return not free or any(fits)


def _waiting(resources: Resources, cpus: int, gpus: int) -> str:
    """What is said if no node has room: it may be in use, or no node may have so much at all."""
    what = f"NOTICE: the two models are prepared on {_spell_resources(cpus, gpus)} of one node:"
    if resources.slots(cpus, gpus):
        return (
            f"{what} in use now, by another sweep for instance, and this one waits until it is free"
        )
    return f"{what} no node has that yet, and this one waits for nodes that the cluster would have to add"


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
