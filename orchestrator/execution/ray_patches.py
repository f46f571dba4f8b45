"""The private names of Ray that a sweep cannot do without, and what is relied on of each.

Ray Tune judges dead workers in its own way, and has no public way to change that. For the length of a block,
classes that also have the methods below stand in the place of Tune's. They do nothing until a worker dies.
The private names that only make a sweep faster are in ray_speed.py, those that start a private cluster sooner in
orchestrator/cluster/private/lean_node.py; no other file has any.

Functions alone import Tune here: a driver does so while a worker prepares the models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import RayActorError, RayTaskError

from orchestrator.cluster.private import lean_node
from orchestrator.cluster.ray_contract import Use, problems, replaced, resolve, uses
from orchestrator.execution.ray_speed import CONTROLLER, MANAGER, SPEED, Workers
from orchestrator.execution.worker_deaths import Deaths, UnfitWorker, has_other_nodes
from tasks.errors import InvalidValue

if TYPE_CHECKING:
    from ray.air.execution._internal import RayActorManager
    from ray.tune.execution.tune_controller import TuneController
else:  # `amended` puts Tune's own classes below these, once Tune is imported
    RayActorManager = TuneController = object


def free_resources() -> list[dict[str, float]]:
    """Return what each node has free now, such as {"CPU": 2.0}; nothing if Ray does not tell.

    Ray's public `available_resources` adds up all nodes, and a task must fit on one (ray-project/ray#60134).
    """
    return [] if FREE.problem() else list(resolve(FREE.name)().values())


FREE = Use("ray._private.state:available_resources_per_node", takes=())


def node_of(actor_id: str) -> str | None:
    """Return the id of the node that a dead actor was on, if Ray knows the node.

    Ray's error names the node in its text alone. The public `ray.util.state` asks a dashboard, which a
    private cluster lacks.
    """
    return resolve("ray._private.state:actors")(actor_id).get("Address", {}).get("NodeID") or None


def worker_of(trial: Any) -> int:
    """Return a number for the worker that has one of Tune's trials: a new worker has to get ready first."""
    return hash(trial.temporary_state.ray_actor)


DEAD_WORKERS = uses(f"""
ray._private.state:
    actors(actor_id, job_id, actor_state_name)
    GlobalState._gen_actor_info: Address, NodeID
ray.tune.experiment.trial:
    Trial.__init__: temporary_state
    Trial.should_recover(self): num_failures, max_failures
    Trial._handle_ray_actor_error(self, exc): preempted, num_failures
    _TemporaryTrialState.__init__: ray_actor
ray.tune.tune:
    run: TuneController
{CONTROLLER}
    __init__: RayActorManager
    _process_trial_failure(self, trial, exception): handle_error, should_recover, _try_recover
{MANAGER}
    __init__: _resource_manager, _live_actors_to_ray_actors_resources, _live_resource_cache
    next(self, timeout)
    is_actor_started(self, tracked_actor)
    num_live_actors.fget(self)
    _cleanup_actor(self, tracked_actor): _live_actors_to_ray_actors_resources, free_resources
    _cleanup_actor_futures(self, tracked_actor)
    _actor_task_failed(self, tracked_actor_task, exception): _tracked_actor, _cleanup_actor, RayActorError
    _actor_start_failed(self, tracked_actor, exception): _on_error
""")
"""Without these, trials would be given up for what others did to their workers."""


class _JudgingController(TuneController):
    """Ends a trial whose deaths are too many by our own count."""

    deaths: Deaths

    def _process_trial_failure(self, trial: Any, exception: Any) -> None:
        if self.deaths.is_last(trial.config, exception):
            # Tune ends a trial with more failures than this, and counts no loss of a node.
            trial.max_failures, exception = 0, RayActorError(error_msg=str(exception))
        super()._process_trial_failure(trial, exception)


class _JudgingManager(RayActorManager):
    """Shows Tune each death of a worker as `Deaths` judges it, and avoids nodes that can run no trial."""

    deaths: Deaths

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._unfit: set[Any] = set()
        """Actors on nodes that can run no trial, until they are cleaned up."""
        self._kept: list[Any] = []
        """The places of such actors. They stay taken: Ray would send the next trial to a free place."""

    def next(self, timeout: Any = None) -> bool:
        """Wait for an event; where no other place is left, free those on unfit nodes first."""
        while self._kept and not self.num_live_actors:
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
            # A trial's own error becomes a row. An error that arrives here is the worker's.
            ray.kill(self._live_actors_to_ray_actors_resources[actor][0])
        exception = self.deaths.judged(exception)
        if isinstance(exception, UnfitWorker) and self.num_live_actors > 1 and has_other_nodes():
            exception.is_avoided = True
            self._unfit.add(actor)
        super()._actor_task_failed(tracked_actor_task, exception)

    def _actor_start_failed(self, tracked_actor: Any, exception: Exception) -> None:
        super()._actor_start_failed(tracked_actor, self.deaths.judged(exception))


def check_ray(say: Callable[[str], object]) -> None:
    """Hold the installed Ray against all of the above; `say` what a sweep has to go without.

    Raises InvalidValue if dead workers could not be judged. Imports Ray Tune; the check itself takes some ms.
    """
    if unfit := problems(DEAD_WORKERS):
        raise InvalidValue(
            f"Ray {ray.__version__} does not fit: this program could not tell whose fault a dead "
            f"worker is ({unfit[0]}); install the version in requirements.lock"
        )
    needed = [(speed.loss, speed.uses) for speed in SPEED]
    for loss, names in (*needed, (lean_node.LOSS, lean_node.HELPERS)):
        if unfit := problems(names):
            say(f"NOTICE: Ray {ray.__version__} makes this sweep slower: {loss} ({unfit[0]})")


@contextmanager
def amended(deaths: Deaths, *, private: bool, workers: Workers | None = None) -> Iterator[None]:
    """Within the block, Tune judges dead workers as `deaths` does, and is as fast as the installed Ray allows.

    On a `private` cluster trials run in the processes that are there, and end with it. There `workers` run them,
    and not Tune's trainables.
    """
    speed = [s for s in SPEED if (private or not s.on_private_only) and not problems(s.uses)]
    methods = [s.methods for s in speed if s.methods]
    of_manager = (s.of_manager for s in speed if s.of_manager)
    own = {"deaths": deaths, "workers": workers}
    controller = type("Controller", (*methods, _JudgingController, resolve(CONTROLLER)), own)
    manager = type("ActorManager", (*of_manager, _JudgingManager, resolve(MANAGER)), own)
    with ExitStack() as stack:
        stack.enter_context(replaced("ray.tune.tune:TuneController", controller))
        where = CONTROLLER.replace("TuneController", "RayActorManager")
        stack.enter_context(replaced(where, manager))
        for s in speed:
            if s.replaced:
                stack.enter_context(replaced(s.replaced, s.by(resolve(s.replaced))))
        yield
