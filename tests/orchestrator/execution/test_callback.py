"""The driver's clock of a trial whose worker dies: it counts what the trial took, not what its worker did before."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from orchestrator.execution.callback import ProgressCallback
from orchestrator.reporting.progress import Progress
from orchestrator.reporting.terminal import Terminal
from orchestrator.results.objectives import OBJECTIVES

LIMIT = 0.05
Tell = Callable[..., None]


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


def test_a_worker_that_dies_while_it_gets_ready_leaves_no_overdue_trial(callback, overdue):
    trial = tune_trial("cold")
    started(callback, trial)
    time.sleep(2 * LIMIT)
    killed(callback, trial)
    assert overdue == []


def test_a_trial_is_timed_from_when_its_worker_was_ready(callback, overdue):
    trial = tune_trial("cold")
    started(callback, trial)
    time.sleep(2 * LIMIT)
    ready(callback, trial)
    killed(callback, trial)
    assert overdue == []
    started(callback, trial)
    ready(callback, trial)
    time.sleep(2 * LIMIT)
    killed(callback, trial)
    assert overdue == [trial.config]


def test_the_next_trial_of_a_worker_is_timed_from_its_start(callback, overdue):
    first, second = tune_trial("warm"), tune_trial("warm")
    second.trial_id = "tune-b"
    started(callback, first)
    ready(callback, first)
    callback.on_trial_complete(0, [first], first)
    started(callback, second)
    time.sleep(2 * LIMIT)
    killed(callback, second)
    assert overdue == [second.config]
