"""The installed Ray has every private name that we use, as we use it; no other Ray is let through in silence."""

from __future__ import annotations

import importlib.util
import inspect
import mmap
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import ray
from program import ROOT
from ray.exceptions import RayActorError
from ray.tune.experiment.trial import Trial

from orchestrator.cluster import connection
from orchestrator.cluster.private import lean_node
from orchestrator.cluster.ray_contract import Use, problems, replaced, resolve, uses
from orchestrator.execution import ray_patches
from orchestrator.execution.ray_patches import DEAD_WORKERS, FREE, MANAGER, check_ray
from orchestrator.execution.ray_speed import CONTROLLER, SPEED
from orchestrator.worker.trainable import UnlearningTrial
from orchestrator.worker.trial_worker import TrialWorker
from tasks.errors import InvalidValue

AUTO_FILLED = uses("""
ray.tune:Trainable
    get_auto_filled_metrics(self, now, time_this_iter, timestamp, debug_metrics_only)
    train(self): get_auto_filled_metrics
ray.tune.experiment.trial:Trial
    set_ray_actor(self, ray_actor): get_auto_filled_metrics
""")
"""What `UnlearningTrial.get_auto_filled_metrics` relies on, in a worker."""
SIMULATED = uses("""
ray.tune.execution.tune_controller:
    TuneController.__init__: PlacementGroupResourceManager
ray.air.execution.resources.request:AcquiredResources
    _annotate_remote_entity(self, entity, bundle, bundle_index)
""")
"""What benchmarks/cluster/simulated_nodes.py relies on."""
USES = [
    FREE, *DEAD_WORKERS, *(u for s in SPEED for u in s.uses), *lean_node.HELPERS, *AUTO_FILLED, *SIMULATED
]  # fmt: skip


@pytest.mark.parametrize("use", USES, ids=lambda use: use.name.rpartition(":")[2])
def test_the_installed_ray_has_what_we_use(use: Use) -> None:
    assert use.problem() is None


def test_nothing_is_replaced_that_the_contract_leaves_out() -> None:
    classes = {
        ray_patches._JudgingManager: MANAGER,
        ray_patches._JudgingController: CONTROLLER,
        **{s.methods: CONTROLLER for s in SPEED if s.methods},
        **{s.of_manager: MANAGER for s in SPEED if s.of_manager},
    }
    named = {use.name: use for use in USES}
    for ours, theirs in classes.items():
        for name, function in vars(ours).items():
            if inspect.isfunction(function) and name != "__init__":
                use = named[f"{theirs}.{name}"]
                assert tuple(inspect.signature(function).parameters) == use.takes, use.name
    for speed in SPEED:
        own = speed.methods or speed.of_manager
        assert own or speed.replaced in named or resolve(str(speed.replaced)), speed.loss


@pytest.mark.parametrize("worker", [UnlearningTrial, TrialWorker])
def test_a_worker_says_nothing_of_itself_whatever_tune_asks(worker: Any) -> None:
    ours, theirs = worker.get_auto_filled_metrics, AUTO_FILLED[0].takes
    assert theirs is not None
    inspect.signature(ours).bind(*theirs)
    inspect.signature(ours).bind("self", debug_metrics_only=True)


def test_tune_counts_every_death_but_that_of_a_preempted_worker() -> None:
    trial = Trial("any", stub=True)
    trial.max_failures = 0
    trial._handle_ray_actor_error(RayActorError(preempted=True))
    assert trial.should_recover()
    trial._handle_ray_actor_error(RayActorError())
    assert not trial.should_recover()


PRIVATE = re.compile(
    r"ray\._|_internal\b|_raylet|temporary_state|ray\.tune\.(tune|registry|execution|experiment)\b"
)


def test_no_other_file_of_the_program_has_a_private_name_of_ray() -> None:
    files = [f for top in ("orchestrator", "tasks", "analysis") for f in (ROOT / top).rglob("*.py")]
    found = {f.name for f in files if PRIVATE.search(f.read_text())}
    assert found == {"lean_node.py", "ray_patches.py", "ray_speed.py"}


def settings_of_ray() -> list[str]:
    """The environment variables of Ray's own processes that a sweep sets, none of them documented."""
    variables = {**connection.ENVIRONMENT, **connection.warm_environment(1, 1)}
    return [name.removeprefix("RAY_") for name in variables if re.match("RAY_[a-z]", name)]


@pytest.mark.parametrize("name", settings_of_ray())
def test_ray_reads_the_settings_of_its_processes(name: str) -> None:
    spec = importlib.util.find_spec("ray")
    assert spec is not None
    assert spec.origin is not None
    raylet = Path(spec.origin).parent / "core/src/ray/raylet/raylet"
    with raylet.open() as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as program:
        assert program.find(name.encode()) >= 0, f"Ray no longer knows RAY_{name}"


# That a Ray which differs is found:

RESET = f"{CONTROLLER}._schedule_trial_reset"


def renamed(self: Any, trial: Any, config: Any, tag: Any) -> None:
    self._resetting_trials.add(trial)
    self._on_trial_reset(trial)


def emptied(self: Any, trial: Any, new_config: Any, new_experiment_tag: Any) -> None:
    self._on_trial_reset(trial)


@pytest.mark.parametrize(
    ("altered", "said"),
    [
        (renamed, "takes (self, trial, config, tag), not (self, trial, new_config, new_experiment_tag)"),
        (emptied, "no longer uses (_resetting_trials)"),
    ],
    ids=["other parameters", "another body"],
)  # fmt: skip
def test_a_changed_name_for_speed_is_a_notice(altered: Callable[..., None], said: str) -> None:
    notices: list[str] = []
    with replaced(RESET, altered):
        check_ray(notices.append)
    slower = [s.loss for s in SPEED if RESET in {use.name for use in s.uses}]
    assert len(notices) == len(slower) > 0
    for notice, loss in zip(notices, slower, strict=True):
        assert notice.startswith("NOTICE: Ray ")
        assert f"{loss} ({RESET} {said}" in notice


def test_a_changed_name_for_dead_workers_is_bad_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(resolve(MANAGER), "_cleanup_actor")
    with pytest.raises(InvalidValue, match=re.escape(f"{MANAGER}._cleanup_actor is missing")):
        check_ray(print)


def test_a_class_that_is_an_actor_already_still_fits() -> None:
    """Ray then adds a parameter of its own to every method: a second sweep of one process would be refused."""

    class Inherits:
        def stop(self, kindly: bool) -> None: ...

    with replaced(MANAGER, Inherits):
        use = Use(f"{MANAGER}.stop", ("self", "kindly"), ())
        ray.remote(Inherits)
        assert "_ray_trace_ctx" in inspect.signature(Inherits.stop).parameters
        assert use.problem() is None


def test_a_missing_module_is_found_too() -> None:
    assert problems(uses("ray.no.such:\n    name(self)")) == ["ray.no.such:name is missing"]


def test_the_installed_ray_is_let_through_without_a_word() -> None:
    said: list[str] = []
    check_ray(said.append)
    assert said == []


def test_a_use_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(ValueError, match="not a use"):
        uses("ray:\n    init(self: Any)")
