"""Which deaths of a worker count against its trial: its own, also for want of memory; not its node's."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray.air.execution._internal import RayActorManager
from ray.exceptions import ActorUnavailableError, OutOfMemoryError, RayActorError, RayTaskError
from ray.tune import tune
from ray.tune.execution import tune_controller
from ray.tune.execution.tune_controller import TuneController

SETTLING_SECONDS = 2.0
"""How long after a worker its node may be missed: a machine that shuts down ends its processes one by one."""


class Deaths:
    """Tune's handling of dead workers, amended for the length of a block: see `heeded`."""

    def __init__(self) -> None:
        self.latest: str | None = None
        """Why the worker died that Tune is dealing with, or dealt with last."""
        self.counted = False
        """Whether that counts against its trial."""

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """Inside the block Tune runs a trial again whose worker was ended for want of memory, and as
        often as it takes if it lost its node.
        """
        ours: list[tuple[Any, str, Any]] = [
            (tune_controller, "RayActorManager", self._manager),
            (tune, "TuneController", _Controller),
        ]
        theirs = [(module, name, getattr(module, name)) for module, name, _ in ours]
        try:
            for module, name, replacement in ours:
                setattr(module, name, replacement)
            yield
        finally:
            for module, name, original in theirs:
                setattr(module, name, original)

    def _manager(self, *arguments: Any, **options: Any) -> RayActorManager:
        manager = _ActorManager(*arguments, **options)
        manager.deaths = self
        return manager

    def judged(self, exception: Exception) -> Exception:
        """The exception as Tune is to see it."""
        if isinstance(exception, OutOfMemoryError):  # Tune (Ray 2.60) would end the whole sweep
            exception = RayActorError(error_msg=f"out of memory: {exception}")
        if isinstance(exception, RayTaskError):  # between two trials Tune would end the second
            exception = RayActorError(error_msg=f"{_type(exception.cause)}: {exception.cause}")
        if isinstance(exception, RayActorError):
            self.latest = _reason(exception)
            if not exception.preempted and _not_its_own(exception):
                # Ray calls only what its autoscaler drained so; of these alone Tune keeps no count.
                exception = RayActorError(exception.actor_id, str(exception), preempted=True)
            self.counted = not exception.preempted
        return exception


class _Controller(TuneController):
    def _actor_failed(self, tracked_actor: Any, exception: Exception) -> None:
        # Tune would wait for ever for the reset of an actor that is no more.
        self._resetting_trials.discard(self._actor_to_trial[tracked_actor])
        super()._actor_failed(tracked_actor, exception)


class _ActorManager(RayActorManager):
    deaths: Deaths

    def _schedule_tracked_actor_task(
        self, tracked_actor_task: Any, method_name: str, **options: Any
    ) -> Any:
        if method_name == "reset":
            # A trial that waits for it is told of the actor's failure: Tune would tell it of the
            # task's as well, and ends a trial that fails while it waits to be run again.
            tracked_actor_task._on_error = None
        return super()._schedule_tracked_actor_task(tracked_actor_task, method_name, **options)

    def _actor_task_failed(self, tracked_actor_task: Any, exception: Exception) -> None:
        actor = tracked_actor_task._tracked_actor
        if isinstance(exception, RayTaskError) and self.is_actor_started(actor):
            # A trial keeps its own errors to itself: this one is the worker's.
            ray.kill(self._live_actors_to_ray_actors_resources[actor][0])
        super()._actor_task_failed(tracked_actor_task, self.deaths.judged(exception))

    def _actor_start_failed(self, tracked_actor: Any, exception: Exception) -> None:
        super()._actor_start_failed(tracked_actor, self.deaths.judged(exception))


def _not_its_own(error: RayActorError) -> bool:
    """Whether the worker died with its node, or is only out of reach."""
    if isinstance(error, ActorUnavailableError):
        return True  # of a worker that dies by itself its node tells at once
    if error.actor_id is None or error.actor_init_failed:
        return False
    node = ray._private.state.actors(error.actor_id).get("Address", {}).get("NodeID")
    until = time.monotonic() + SETTLING_SECONDS
    while any(n["NodeID"] == node and n["Alive"] for n in ray.nodes()):
        if time.monotonic() >= until:
            return False
        time.sleep(0.1)
    return bool(node)


def _reason(error: RayActorError) -> str:
    """The line that says it, of the many that Ray writes."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if "because" in line]
    return (telling or lines or [_type(error)])[0][:200]


def _type(error: object) -> str:
    return type(error).__name__
