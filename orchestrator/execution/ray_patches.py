"""Ray Tune as a search needs it: with our judgement of dead workers, and with workers that start sooner.

Tune has no public way to say so; for the length of a block its classes are replaced by ours.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray.air.execution._internal import RayActorManager
from ray.exceptions import RayActorError, RayTaskError
from ray.tune import registry, tune
from ray.tune.execution import tune_controller
from ray.tune.execution.tune_controller import TuneController

from orchestrator.execution.worker_deaths import Deaths, UnfitWorker, has_other_nodes


@contextmanager
def amended(deaths: Deaths, *, private: bool) -> Iterator[None]:
    """Inside the block Tune runs a trial again whose worker was ended for want of memory, and more
    often if it lost its node. On a `private` cluster trials run in the processes that are there, and
    end with it.
    """

    def manager(*arguments: Any, **options: Any) -> RayActorManager:
        manager = _ActorManager(*arguments, **options)
        manager.deaths = deaths
        return manager

    def controller(*arguments: Any, **options: Any) -> TuneController:
        controller = (_PrivateController if private else _Controller)(*arguments, **options)
        controller.deaths = deaths
        return controller

    ours: list[tuple[Any, str, Any]] = [
        (tune_controller, "RayActorManager", manager),
        (tune, "TuneController", controller),
        (registry, "_global_registry", _Remembering()),
    ]
    theirs = [(module, name, getattr(module, name)) for module, name, _ in ours]
    try:
        for module, name, replacement in ours:
            setattr(module, name, replacement)
        yield
    finally:
        for module, name, original in theirs:
            setattr(module, name, original)


class _Controller(TuneController):
    deaths: Deaths

    def checkpoint(self, force: bool = False, wait: bool = False) -> None:
        """At the end, where Tune reads its state again; else the store is the truth."""
        if wait:
            super().checkpoint(force, wait)

    def _process_trial_failure(self, trial: Any, exception: Any) -> None:
        if self.deaths.is_last(trial.config["trial_id"], exception):
            # Tune ends a trial with more failures than this, and counts no loss of a node.
            trial.max_failures, exception = 0, RayActorError(error_msg=str(exception))
        super()._process_trial_failure(trial, exception)

    def _schedule_trial_reset(self, trial: Any, *news: Any) -> None:
        """Nothing that a worker is told: it hears of its next trial by the call that runs it.

        Tune would wait for an answer, milliseconds a trial in which the worker has nothing to do.
        """
        self._resetting_trials.add(trial)

    def _maybe_add_actors(self) -> None:
        super()._maybe_add_actors()
        for trial in list(self._resetting_trials):
            self._on_trial_reset(trial, success=True)

    def _schedule_trial_train(self, trial: Any) -> None:
        self._schedule_trial_task(
            trial=trial,
            method_name="train",
            args=(trial.config,),
            on_result=self._on_training_result,
            on_error=self._trial_task_failure,
        )


class _PrivateController(_Controller):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._class_cache: Any = _PlainClasses()

    def _cleanup_trials(self) -> None:
        """Nothing: Tune would wait for workers that still start, for seconds, to end them."""


class _Remembering(registry._Registry):
    """Tune asks the cluster three times for each trial what its class is, which does not change."""

    def __init__(self) -> None:
        super().__init__()
        self.get = functools.cache(super().get)  # type: ignore[method-assign]

    def contains(self, category: str, key: str) -> bool:
        """Whether there is something to `get`."""
        try:
            self.get(category, key)
        except (KeyError, ValueError):
            return False
        return True


class _PlainClasses:
    """Tune gives its actors environment variables of their own, for which Ray starts new processes.

    On a private cluster every process has the driver's already.
    """

    def __init__(self) -> None:
        self._remote: dict[type, Any] = {}

    def get(self, trainable: type) -> Any:
        """The class as an actor's, registered with Ray once."""
        if trainable not in self._remote:
            self._remote[trainable] = ray.remote(trainable)
        return self._remote[trainable]


class _ActorManager(RayActorManager):
    deaths: Deaths

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._unfit: set[Any] = set()
        """Actors on nodes that can run no trial, until they are cleaned up."""
        self._kept: list[Any] = []
        """Their places, which stay taken: Ray would send the next trial there, for they are free."""

    def next(self, timeout: Any = None) -> bool:
        """Wait for an event, as ever."""
        while self._kept and not self.num_live_actors:  # nor is there another place any more
            self._resource_manager.free_resources(self._kept.pop())
        return super().next(timeout)

    def _cleanup_actor(self, tracked_actor: Any) -> None:
        if tracked_actor not in self._unfit:
            super()._cleanup_actor(tracked_actor)
            return
        self._unfit.remove(tracked_actor)
        self._cleanup_actor_futures(tracked_actor)
        _, place = self._live_actors_to_ray_actors_resources.pop(tracked_actor)
        self._live_resource_cache = None
        self._kept.append(place)

    def _actor_task_failed(self, tracked_actor_task: Any, exception: Exception) -> None:
        actor = tracked_actor_task._tracked_actor
        if isinstance(exception, RayTaskError) and self.is_actor_started(actor):
            # A trial keeps its own errors to itself: this one is the worker's.
            ray.kill(self._live_actors_to_ray_actors_resources[actor][0])
        exception = self.deaths.judged(exception)
        if isinstance(exception, UnfitWorker) and self.num_live_actors > 1 and has_other_nodes():
            exception.is_avoided = True
            self._unfit.add(actor)
        super()._actor_task_failed(tracked_actor_task, exception)

    def _actor_start_failed(self, tracked_actor: Any, exception: Exception) -> None:
        super()._actor_start_failed(tracked_actor, self.deaths.judged(exception))
