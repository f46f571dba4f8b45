"""The preparation of a search: an estimate, and the models that trials are compared with."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from orchestrator.execution.model_jobs import ModelJob, follow_jobs
from orchestrator.execution.ray_patches import free_resources
from orchestrator.reporting.durations import spell_duration
from orchestrator.results.rows import Row
from orchestrator.sweeps.stages.estimate import seconds_per_trial, training_seconds
from orchestrator.worker.baselines import (
    Ready,
    Speed,
    Training,
    drop_shadows,
    prepare_models,
    train_model,
)

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
        self.trial_seconds: dict[str, float] = {}
        """Expected seconds of a trial by unlearner; empty until the speed of the hardware is measured."""
        self._told = False
        self._is_room = _is_room(settings)
        self._unfit: set[str] = set()
        """Ids of the nodes that cannot prepare models."""
        self._jobs = [self._start(settings, prepare_models, settings, calibrate)]

    def _start(self, *arguments: Any) -> ModelJob:
        return ModelJob(self._unfit, *arguments)

    def wait_for_models(
        self,
        slots: int,
        left: Mapping[str, int],
        observer: Observer,
        assignments: Sequence[str] = (),
        ends_at: float | None = None,
    ) -> dict[str, Row]:
        """Wait until all models are stored; return their rows by trial id, the original's first.

        `left` are the numbers of remaining trials by unlearner, `slots` of them run at a time, and
        `assignments` narrow what they search, and at `ends_at`, by the monotonic clock, a budget of time is over: all
        serve the estimate. Raises WorkerLost if a process dies
        too often, UnfitNode if no node can prepare the models.
        """
        self._warn_of_waiting(slots, observer)
        rows: dict[str, Row] = {}
        while not rows:
            for event in follow_jobs(self._jobs, observer):
                match event:
                    case Ready(dtype, missing, forgotten):
                        if not self._told:
                            observer.say(forgotten)
                            self._told = True
                        self._train(dtype, missing)
                    case Speed() as speed:
                        self._estimate_trials(speed, left, assignments)
                        self._tell_estimate(speed, slots, left, ends_at, observer)
                    case Training(what, done, total, seconds):
                        observer.training(what, done, total, seconds)
                    case dict():
                        rows = event
            if not rows:  # all models are trained now, by several processes
                self._jobs = [self._start(self._settings, prepare_models, self._settings, False)]
        for row in rows.values():
            _tell_accuracy(row, observer)
        return rows

    def _train(self, dtype: str, missing: tuple[str, ...]) -> None:
        """Start the trainings that the first process leaves to others, in the same dtype."""
        settings = self._settings.with_dtype(dtype)
        self._jobs += [self._start(settings, train_model, settings, role) for role in missing]

    def _tell_estimate(
        self,
        speed: Speed,
        slots: int,
        left: Mapping[str, int],
        ends_at: float | None,
        observer: Observer,
    ) -> None:
        seconds = sum(count * self.trial_seconds[name] for name, count in left.items()) / slots
        self.search_seconds = seconds
        training = training_seconds(speed, slots)
        models = f", {spell_duration(training)} of it for the models" if training else ""
        total = spell_duration(training + seconds)
        budget = math.inf if ends_at is None else max(0.0, ends_at - time.monotonic())
        if training > budget:
            observer.say(
                f"NOTICE: the models take about {spell_duration(training)}, longer than what is left of the budget, "
                f"{spell_duration(budget)}: they are trained all the same, and no trial may fit"
            )
        elif training + seconds > budget:
            mean = fmean(self.trial_seconds.values()) / slots
            observer.say(
                f"budget: {spell_duration(budget)} left, {slots} trials at a time{models}; room for about "
                f"{(budget - training) / mean:.0f} trials"
            )
        else:
            observer.say(f"estimated time: {total}, {slots} trials at a time{models}")

    def _estimate_trials(
        self, speed: Speed, left: Mapping[str, int], assignments: Sequence[str]
    ) -> None:
        # Each trial runs its method on each shadow model too.
        times = len(self._settings.task.requests) * (1 + len(self._settings.further))
        self.trial_seconds = {n: times * seconds_per_trial(n, speed, assignments) for n in left}

    def drop_shadows(self, observer: Observer) -> None:
        """Delete the weights of the shadow models, which no trial needs any more."""
        for _ in follow_jobs([self._start(self._settings, drop_shadows, self._settings)], observer):
            pass
        observer.say(f"the weights of {len(self._settings.further)} shadow models are deleted")

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
