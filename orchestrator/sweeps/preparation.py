"""The preparation of a search: an estimate, and the models that trials are compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import ray

from orchestrator.cluster.remote_call import fetch_result
from orchestrator.execution.ray_patches import free_resources
from orchestrator.execution.worker_deaths import MAX_DEATHS, MAX_LOSSES
from orchestrator.reporting.durations import spell_duration
from orchestrator.results.rows import Row
from orchestrator.sweeps.estimate import sweep_seconds, training_seconds
from orchestrator.worker.baselines import Event, Ready, Speed, Training, prepare_models, train_model
from tasks.errors import NodeLost, WorkerLost

if TYPE_CHECKING:
    from orchestrator.cluster.resources import Resources
    from orchestrator.reporting.observer import Observer
    from orchestrator.worker.settings import WorkerSettings


class Preparation:
    """Trains, measures and stores the original model and the references.

    Each model is trained by a process of its own, on what a trial has, as many at a time as there is
    room for. The first process starts immediately; `wait_for_models` waits for the results.
    """

    def __init__(self, settings: WorkerSettings, resources: Resources, *, calibrate: bool) -> None:
        self._settings, self._resources = settings, resources
        self.search_seconds: float | None = None
        """Estimated time of the search; None until the speed of the hardware is measured."""
        self._told = False
        self._is_room = _is_room(settings)
        self._jobs = [_Job(settings, prepare_models, settings, calibrate)]

    def wait_for_models(
        self,
        slots: int,
        left: Mapping[str, int],
        observer: Observer,
        assignments: Sequence[str] = (),
    ) -> dict[str, Row]:
        """Wait until all models are stored; return their rows by trial id, the original's first.

        `left` are the numbers of remaining trials by unlearner, `slots` of them run at a time, and
        `assignments` narrow what they search: all serve the estimate. Raises WorkerLost if a process dies too often.
        """
        self._warn_of_waiting(slots, observer)
        rows: dict[str, Row] = {}
        while not rows:
            for event in _follow(self._jobs, observer):
                match event:
                    case Ready(dtype, missing, forgotten):
                        if not self._told:
                            observer.say(forgotten)
                            self._told = True
                        self._train(dtype, missing)
                    case Speed() as speed:
                        self._tell_estimate(speed, slots, left, assignments, observer)
                    case Training(what, done, total, seconds):
                        observer.training(what, done, total, seconds)
                    case dict():
                        rows = event
            if not rows:  # all models are trained now, by several processes
                self._jobs = [_Job(self._settings, prepare_models, self._settings, False)]
        for row in rows.values():
            _tell_accuracy(row, observer)
        return rows

    def _train(self, dtype: str, missing: tuple[str, ...]) -> None:
        """Start the trainings that the first process leaves to others, in the same dtype."""
        settings = self._settings.with_dtype(dtype)
        self._jobs += [_Job(settings, train_model, settings, role) for role in missing]

    def _tell_estimate(
        self,
        speed: Speed,
        slots: int,
        left: Mapping[str, int],
        assignments: Sequence[str],
        observer: Observer,
    ) -> None:
        once = sweep_seconds(left, speed, slots, assignments)
        self.search_seconds = once * len(self._settings.task.requests)
        training = training_seconds(speed, slots)
        models = f", {spell_duration(training)} of it for the models" if training else ""
        total = spell_duration(training + self.search_seconds)
        observer.say(f"estimated time: {total}, {slots} trials at a time{models}")

    def _warn_of_waiting(self, slots: int, observer: Observer) -> None:
        cpus, gpus = self._settings.cpus, self._settings.gpus
        present = self._resources.count_slots(cpus, gpus)
        if not present:
            observer.say(
                f"NOTICE: no node has room for a trial of {_spell_resources(cpus, gpus)} yet: the sweep waits "
                "until the cluster adds such a node"
            )
        elif present < slots:
            observer.say(
                f"NOTICE: the present nodes have room for {present} of {slots} concurrent trials; "
                "the others wait until the cluster adds nodes"
            )
        if present and not self._is_room:
            observer.say(
                f"NOTICE: the models are prepared on {_spell_resources(cpus, gpus)} each: these are in use, for "
                "instance by another sweep; this sweep waits until they are free"
            )


class _Job:
    """A task on the cluster that yields events; started again if its process dies.

    What it has stored is kept. It is restarted up to MAX_LOSSES times after losing its node, and
    MAX_DEATHS times after a crash, as a trial is.
    """

    def __init__(
        self, settings: WorkerSettings, work: Callable[..., Iterator[Event]], *arguments: Any
    ) -> None:
        alone: Any = ray.remote(
            num_cpus=settings.cpus,
            num_gpus=settings.gpus,
            max_retries=0,
            num_returns="streaming",
            max_calls=1,  # the process then ends: no trial could reuse it, and it holds a gigabyte
        )
        self._task, self._arguments = alone(work), arguments
        self._losses = self._deaths = 0
        self.events: Any = self._task.remote(*arguments)

    def fetch_event(self, observer: Observer) -> Event | None:
        """Return the next event; None after a restart. Raises StopIteration at the end, WorkerLost."""
        try:
            event: Event = fetch_result(next(self.events))
            return event
        except WorkerLost as error:
            lost = isinstance(error, NodeLost)
            self._losses, self._deaths = self._losses + lost, self._deaths + (not lost)
            if self._deaths > MAX_DEATHS or self._losses > MAX_LOSSES:
                raise
            observer.say(f"NOTICE: {error} while preparing the models; this part starts again")
            self.events = self._task.remote(*self._arguments)
            return None


def _follow(jobs: list[_Job], observer: Observer) -> Iterator[Event]:
    """Yield the events of several jobs as they come; jobs may be added meanwhile."""
    while jobs:
        (ready, *_), _ = ray.wait([job.events for job in jobs], num_returns=1)
        job = next(job for job in jobs if job.events is ready)
        try:
            event = job.fetch_event(observer)
        except StopIteration:
            jobs.remove(job)
            continue
        if event is not None:
            yield event


def _is_room(settings: WorkerSettings) -> bool:
    """Tell whether a node has room for one model's training now, as far as Ray knows."""
    free = free_resources()
    fits = (n.get("CPU", 0) >= settings.cpus and n.get("GPU", 0) >= settings.gpus for n in free)
    return not free or any(fits)


def _spell_resources(cpus: int, gpus: float) -> str:
    parts = [
        f"{n:g} {what}{'' if n == 1 else 's'}" for n, what in ((cpus, "CPU"), (gpus, "GPU")) if n
    ]
    return " and ".join(parts)


def _tell_accuracy(row: Row, observer: Observer) -> None:
    observer.say(
        f"{row['trial_id']} model: test accuracy on retained classes {row['test_accuracy_retained']:.4f}, "
        f"indistinguishability {row['indistinguishability']:.3f}"
    )
