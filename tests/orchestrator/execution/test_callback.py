"""The driver's clock of a trial whose worker dies: it counts what the trial took, not what its worker did before."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from clocks import Clock
from program import rows_of
from ray.exceptions import RayActorError
from rich.console import Console
from workers import propose, settings

from orchestrator.config import SweepConfig
from orchestrator.execution.callback import ProgressCallback
from orchestrator.execution.searcher import StudySearch
from orchestrator.execution.tuning import Tuning
from orchestrator.reporting.progress import Progress
from orchestrator.reporting.terminal import Terminal
from orchestrator.results.objectives import OBJECTIVES
from orchestrator.search.allocation import Allocation
from orchestrator.worker.deadline import GRACE_SECONDS
from orchestrator.worker.identity import SHARED

LIMIT = 60.0
Tell = Callable[..., None]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the callback."""
    clock = Clock()
    monkeypatch.setattr("orchestrator.execution.callback.time", clock)
    return clock


def tune_trial(actor: str) -> Any:
    """What Tune shows of a trial that a worker has."""
    state = SimpleNamespace(ray_actor=actor)
    return SimpleNamespace(
        trial_id="tune-a", config={"trial_id": "ssd-0000"}, temporary_state=state
    )


@pytest.fixture
def overdue() -> list[Any]:
    return []


@pytest.fixture
def callback(overdue: list[Any]) -> ProgressCallback:
    progress = Progress(OBJECTIVES["pareto"], 1)
    view = Terminal(Console(file=io.StringIO()))
    return ProgressCallback(progress, view, lambda: 1, (), LIMIT, overdue.append)


def started(callback: ProgressCallback, trial: Any) -> None:
    callback.on_trial_start(0, [trial], trial)


def ready(callback: ProgressCallback, trial: Any) -> None:
    callback.on_trial_result(0, [trial], trial, {"done": False})


def killed(callback: ProgressCallback, trial: Any) -> None:
    callback.on_trial_recover(0, [trial], trial)


def test_a_worker_that_dies_while_it_gets_ready_leaves_no_overdue_trial(callback, overdue, clock):
    trial = tune_trial("cold")
    started(callback, trial)
    clock.now += 2 * LIMIT
    killed(callback, trial)
    assert overdue == []


def test_a_trial_is_timed_from_when_its_worker_was_ready(callback, overdue, clock):
    trial = tune_trial("cold")
    started(callback, trial)
    clock.now += 2 * LIMIT
    ready(callback, trial)
    killed(callback, trial)
    assert overdue == []
    started(callback, trial)
    ready(callback, trial)
    clock.now += 2 * LIMIT
    killed(callback, trial)
    assert overdue == [trial.config]


def test_the_next_trial_of_a_worker_is_timed_from_its_start(callback, overdue, clock):
    first, second = tune_trial("warm"), tune_trial("warm")
    second.trial_id = "tune-b"
    started(callback, first)
    ready(callback, first)
    callback.on_trial_complete(0, [first], first)
    started(callback, second)
    clock.now += 2 * LIMIT
    killed(callback, second)
    assert overdue == [second.config]


def test_a_trial_with_shadow_models_may_take_its_limit_for_each_of_them(
    tmp_path: Path, clock: Clock
) -> None:
    """As its worker allows it: what kills the worker before that is not the limit."""
    given = settings(tmp_path, trial_seconds=LIMIT, metrics=("u_lira_auc",), shadows=8)
    models = 1 + len(given.further)
    tuning = Tuning(
        SweepConfig(), given, {**dict.fromkeys(SHARED), "task_key": "key"}, Allocation()
    )
    search = StudySearch([], {}, "any", lambda call: [])
    progress = Progress(OBJECTIVES["pareto"], 1)
    callback = tuning._callback(search, progress, Terminal(Console(file=io.StringIO())))
    trial = tune_trial("any")
    trial.config = propose("ssd")
    for seconds, stored in ((LIMIT + GRACE_SECONDS, 0), (models * LIMIT + GRACE_SECONDS, 1)):
        ready(callback, trial)
        clock.now += seconds
        tuning._deaths.is_last(trial.config, RayActorError())
        killed(callback, trial)
        assert len(list(tmp_path.rglob("*.parquet"))) == stored
    (row,) = rows_of(tmp_path, "s")
    assert row["error"] == f"ran longer than the limit of {models * LIMIT:g} s"
