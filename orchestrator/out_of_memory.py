"""A worker that Ray ends because its node runs out of memory is a worker that died, to Tune as well."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray.air.execution._internal import RayActorManager
from ray.exceptions import OutOfMemoryError, RayActorError
from ray.tune.execution import tune_controller


class _ActorManager(RayActorManager):
    """Tune's own, but for one error, which it (Ray 2.60) does not know and would end the whole sweep at."""

    def _actor_task_failed(self, tracked_actor_task: Any, exception: Exception) -> None:
        if isinstance(exception, OutOfMemoryError):
            exception = RayActorError(error_msg=str(exception))
        super()._actor_task_failed(tracked_actor_task, exception)


@contextmanager
def survived() -> Iterator[None]:
    """Inside the block Tune tries such a trial again, as one whose worker was killed."""
    module: Any = tune_controller
    theirs = module.RayActorManager
    module.RayActorManager = _ActorManager
    try:
        yield
    finally:
        module.RayActorManager = theirs
