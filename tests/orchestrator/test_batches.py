"""Several short trials to one call: nothing is lost, run twice or blamed for another trial."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ray.tune.search import Searcher

from orchestrator.execution.batches import CALL_SECONDS, MOST, REMEMBERED, BatchSearch
from orchestrator.execution.searcher import StudySearch
from orchestrator.results.objectives import objective_named
from orchestrator.search.study import UnlearnerStudy
from orchestrator.worker.trainable import MORE, THEN

Trial = dict[str, Any]
SLOTS = 2


class Clock:
    """Time that goes by when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Worker:
    """Answers calls as a worker does, and keeps count of the trials it was given."""

    def __init__(self, search: BatchSearch, clock: Clock, seconds: float) -> None:
        self.search, self.clock, self.seconds = search, clock, seconds
        self.calls: list[int] = []
        self.told: list[str] = []

    def call(self, number: int) -> list[str] | None:
        """Run one call; None if there was nothing to do."""
        name = f"tune-{number}"
        config = self.search.suggest(name)
        if not isinstance(config, dict):
            return None
        trials = [config, *config.get(THEN, ())]
        self.clock.now += self.seconds * len(trials)
        first, *others = (answer(trial) for trial in trials)
        self.search.on_trial_complete(name, {**first, MORE: others} if others else first)
        self.calls.append(len(trials))
        return [trial["trial_id"] for trial in trials]


def answer(trial: Trial) -> Trial:
    row = {
        "unlearner": trial["unlearner"], "trial_id": trial["trial_id"], "epoch": 1, "state": "complete",
        "error": None, "relative_cost": 0.1, "unlearn_seconds": 0.1,
        "validation_accuracy_retained": 0.5, "validation_indistinguishability": 0.5,
    }  # fmt: skip
    return {"done": True, "trial": trial["trial_id"], "rows": [row]}


@pytest.fixture
def search() -> StudySearch:
    study = UnlearnerStudy("ssd", objective_named("pareto"), "random", 0)
    return StudySearch([study], {"ssd": 200}, "task", lambda trial: [failed(trial)])


def failed(trial: Trial) -> Trial:
    return {**answer(trial)["rows"][0], "state": "failed", "error": "the worker died 4 times"}


@pytest.fixture
def worker(search: StudySearch) -> Callable[[float], Worker]:
    clock = Clock()
    return lambda seconds: Worker(BatchSearch(search, SLOTS, clock), clock, seconds)


def test_long_trials_come_alone_and_short_ones_several_at_a_time(search, worker) -> None:
    long = worker(2 * CALL_SECONDS)
    ran = [long.call(number) for number in range(20)]
    assert {len(batch or ()) for batch in ran} == {1}
    short = worker(0.1)
    for number in range(20, 20 + REMEMBERED):
        assert len(short.call(number) or ()) == 1, "nobody knows yet how long they take"
    assert len(short.call(40) or ()) == round(CALL_SECONDS / 0.1)


def test_every_trial_runs_once_and_the_last_calls_are_small(search, worker) -> None:
    quick = worker(0.001)
    ran: list[str] = []
    while (batch := quick.call(len(quick.calls))) is not None:
        ran += batch
    assert len(ran) == len(set(ran)) == 200
    assert max(quick.calls) == MOST
    assert quick.calls[-1] == 1
    assert not search.running
    assert search.left == 0


def begin_batch(search: StudySearch, worker: Callable[[float], Worker]) -> tuple[Worker, Trial]:
    quick = worker(0.1)
    for number in range(REMEMBERED):
        quick.call(number)
    return quick, quick.search.suggest("tune-x")


def test_a_batch_whose_worker_died_runs_again_trial_by_trial(search, worker) -> None:
    quick, batch = begin_batch(search, worker)
    ids = [batch["trial_id"], *(t["trial_id"] for t in batch[THEN])]
    quick.search.on_trial_complete("tune-x", error=True)
    told: list[str] = []
    search._on_told = lambda rows: told.append(rows[-1]["state"])
    for number, trial_id in enumerate(ids):
        again = quick.search.suggest(f"tune-again-{number}")
        assert (again["trial_id"], THEN in again) == (trial_id, False)
        # The second kills its worker alone too.
        result = None if number == 1 else answer(again)
        quick.search.on_trial_complete(f"tune-again-{number}", result, error=number == 1)
    assert told == ["complete", "failed", *["complete"] * (len(ids) - 2)]


def test_the_search_is_not_over_while_a_batch_may_have_to_run_again(search, worker) -> None:
    quick, batch = begin_batch(search, worker)
    search._left = {"ssd": 0}
    assert quick.search.suggest("tune-y") is None
    quick.search.on_trial_complete(
        "tune-x", {**answer(batch), MORE: [answer(t) for t in batch[THEN]]}
    )
    assert quick.search.suggest("tune-z") == Searcher.FINISHED


def test_a_storage_that_fails_in_the_middle_of_a_batch_ends_the_sweep(search, worker) -> None:
    quick, batch = begin_batch(search, worker)
    lost = {"done": True, "trial": batch[THEN][0]["trial_id"], "unstored": "disk full"}
    quick.search.on_trial_complete("tune-x", {**answer(batch), MORE: [lost]})
    assert search.failure == "disk full"
    assert quick.search.suggest("tune-y") is None
