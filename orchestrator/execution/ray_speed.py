"""Changes of Ray Tune for speed alone: a sweep runs as well without them, and this file could be deleted.

Tune takes time that short trials feel, and has no public way to change that. Each change has its reason, its price,
and the private names of Ray that it relies on. Prices are what a change saves, of the driver's processor time for a
trial where nothing else is said; docs/performance.md says how they were measured ("What the changes to Ray Tune save").

Functions alone import Tune here: a driver does so while a worker prepares the models.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.cluster.ray_contract import Use, uses

if TYPE_CHECKING:
    from ray.air.execution._internal import RayActorManager
    from ray.tune.execution.tune_controller import TuneController
else:  # `amended` puts Tune's own classes below these, once Tune is imported
    RayActorManager = TuneController = object

CONTROLLER = "ray.tune.execution.tune_controller:TuneController"
MANAGER = "ray.air.execution._internal.actor_manager:RayActorManager"


@dataclass(frozen=True)
class Workers:
    """How workers are made that are no trainables of Tune's."""

    actor: Any
    """What `ray.remote` made of a class that has the methods of TrialWorker."""
    arguments: Mapping[str, Any]
    """What the class is given."""


@dataclass(frozen=True)
class SpeedUp:
    """A change of Tune for speed alone: where the installed Ray does not fit, a sweep runs without it."""

    loss: str
    """What is slower without it."""
    uses: tuple[Use, ...]
    methods: type[Any] | None = None
    """Methods for the controller."""
    of_manager: type[Any] | None = None
    """Methods for the manager of the actors."""
    replaced: str | None = None
    """Name of another object that is replaced."""
    by: Callable[[Any], Any] = lambda original: original
    """What replaces that object, made from it."""
    on_private_only: bool = False


class _ResetWithTheRun(TuneController):
    """Sends a warm worker its next trial by one call, not by two with a wait between them: 1.6 ms a trial."""

    def _schedule_trial_reset(self, trial: Any, new_config: Any, new_experiment_tag: Any) -> None:
        self._resetting_trials.add(trial)

    def _maybe_add_actors(self) -> None:
        super()._maybe_add_actors()
        for trial in list(self._resetting_trials):
            self._on_trial_reset(trial, success=True)

    def _schedule_trial_train(self, trial: Any) -> None:
        self._schedule_trial_task(
            trial=trial,
            method_name="run",  # of UnlearningTrial, or of TrialWorker
            args=(trial.config,),
            on_result=self._on_training_result,
            on_error=self._trial_task_failure,
        )


class _OwnWorkers(RayActorManager):
    """Runs trials in the processes that Ray started with the private cluster, which have imported torch, without Tune.

    The first trial ends five seconds sooner, and another one where the machine is slow.
    Tune gives its actors environment variables of their own, for which Ray starts other processes
    (ray-project/ray#15371), and each imports Tune for a second. On a private cluster every process has the driver's
    variables already.
    """

    workers: Workers | None

    def add_actor(
        self,
        cls: Any,
        kwargs: dict[str, Any],
        resource_request: Any,
        *,
        on_start: Any = None,
        on_stop: Any = None,
        on_error: Any = None,
    ) -> Any:
        if self.workers is not None:
            cls, kwargs = self.workers.actor, dict(self.workers.arguments)
        told = {"on_start": on_start, "on_stop": on_stop, "on_error": on_error}
        return super().add_actor(cls, kwargs, resource_request, **told)


class _EndedAtOnce(TuneController):
    """Kills the workers of a private cluster, whether they run a trial, are idle, or still start.

    Tune would ask them to end, and wait: five seconds at the end of a sweep of few trials, for those that still start.
    """

    def _cleanup_trials(self) -> None:
        self._actor_manager.cleanup()


class _Remembering:
    """Asks the cluster once what the class of all trials is; Tune asks three times for each trial: 1.7 ms."""

    def __init__(self, registry: Any) -> None:
        self._registry = registry
        self.get = functools.cache(registry.get)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._registry, name)

    def contains(self, category: str, key: str) -> bool:
        """Say whether there is something to `get`."""
        try:
            self.get(category, key)
        except (KeyError, ValueError):
            return False
        return True


def _no_preferred(choose: Any) -> Callable[[Any, Any], None]:
    """Prefer no trial: Tune starts pending trials in their order by itself.

    Tune's own scheduler looks for a pending trial among all trials, also ended ones, at every step: .4 ms a
    trial of 600, and more in longer sweeps (ray-project/ray#15504).
    """
    return lambda scheduler, tune_controller: None


def _uncounted(count: Any) -> Callable[[Any], bool]:
    """Count no callbacks for Ray's usage statistics.

    Tune would import whichever of MLflow, Weights & Biases, Comet and Aim are installed, to know their classes: two
    seconds before the first trial.
    """
    return lambda callbacks: False


RESET_WITH_THE_RUN = uses(f"""
{CONTROLLER}
    _maybe_add_actors(self): _maybe_reuse_cached_actor
    _maybe_reuse_cached_actor(self, trial): _resetting_trials, _schedule_trial_reset
    _schedule_trial_reset(self, trial, new_config, new_experiment_tag): _resetting_trials, _on_trial_reset
    _on_trial_reset(self, trial, success): _resetting_trials, _actor_started
    _schedule_trial_train(self, trial): _schedule_trial_task, _on_training_result, _trial_task_failure
    _schedule_trial_task(self, trial, method_name, args, kwargs, on_result, on_error, _return_future)
""")
SPEED = (
    SpeedUp(
        "a worker is told of its next trial by a call of its own",
        RESET_WITH_THE_RUN,
        methods=_ResetWithTheRun,
    ),
    SpeedUp(
        "the first trials wait for new processes, which import torch and Tune",
        (
            *RESET_WITH_THE_RUN,  # Tune would call other methods
            *uses(f"""
{CONTROLLER}
    _schedule_trial_actor(self, trial): _actor_manager, add_actor
    _remove_actor(self, tracked_actor): stop
ray.tune.experiment.trial:Trial
    set_ray_actor(self, ray_actor): get_auto_filled_metrics
{MANAGER}
    add_actor(self, cls, kwargs, resource_request, on_start, on_stop, on_error): _pending_actors_to_attrs
    _try_start_actors(self, max_actors): _pending_actors_to_attrs, annotate_remote_entities, remote, __ray_ready__
"""),
        ),
        of_manager=_OwnWorkers,
        on_private_only=True,
    ),
    SpeedUp(
        "its end waits for workers",
        uses(f"""
{CONTROLLER}
    _cleanup_trials(self): _actor_manager, num_total_actors, next, cleanup
    cleanup(self): _cleanup_trials
{MANAGER}
    cleanup(self): _live_actors_to_ray_actors_resources, kill, free_resources
"""),
        methods=_EndedAtOnce,
        on_private_only=True,
    ),
    SpeedUp(
        "the cluster is asked for the class of each trial",
        uses("""
ray.tune.registry:
    _Registry.get(self, category, key)
    _Registry.contains(self, category, key)
    get_trainable_cls(trainable_name): _global_registry
"""),
        replaced="ray.tune.registry:_global_registry",
        by=_Remembering,
    ),
    SpeedUp(
        "long sweeps look through all their trials at every step",
        uses(f"""
ray.tune.schedulers:FIFOScheduler
    choose_trial_to_run(self, tune_controller)
{CONTROLLER}
    _maybe_add_actors(self): choose_trial_to_run, _pending_trials_list, _schedule_trial_actor
"""),
        replaced="ray.tune.schedulers:FIFOScheduler.choose_trial_to_run",
        by=_no_preferred,
    ),
    SpeedUp(
        "its start imports every experiment tracker that is installed",
        uses("""
ray.air._internal.usage:
    tag_callbacks(callbacks): _count_callbacks
ray.tune.tune:
    run: air_usage, tag_callbacks
"""),
        replaced="ray.air._internal.usage:tag_callbacks",
        by=_uncounted,
    ),
)
