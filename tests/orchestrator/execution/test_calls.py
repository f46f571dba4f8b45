"""How many trials a worker is given at once, and what becomes of those that it did not end."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Sequence
from typing import Any

import pytest
from study_rows import TASK, row, study

from orchestrator.execution.pace import LATEST, MOST, Pace, keep_pace, limit_call
from orchestrator.execution.searcher import StudySearch
from orchestrator.worker.call import THEN, fold, unfold

Row = dict[str, Any]
SHORT, LONG = "finetune", "ssd"


class Driver:
    """A search without Ray: it runs calls and answers them."""

    def __init__(self, left: dict[str, int], pace: Pace | None = None) -> None:
        self.stored: dict[str, list[Row]] = {}
        """Rows of trials whose worker died before it could answer."""
        self.told: list[Row] = []
        studies = [study(name, sampler="random") for name in left]
        self.search = StudySearch(
            studies, left, TASK, self.find_stored, self.told.extend, pace=pace
        )
        self._calls = 0

    def find_stored(self, call: Sequence[Row]) -> list[list[Row]]:
        """Return the rows of those that ended before the worker died."""
        ids = itertools.takewhile(self.stored.__contains__, (t["trial_id"] for t in call))
        return [self.stored[trial_id] for trial_id in ids]

    def begin(self) -> tuple[str, list[Row]]:
        """Start a call: its id and its trials."""
        self._calls += 1
        config = self.search.suggest(name := f"tune-{self._calls}")
        assert isinstance(config, dict), config
        return name, unfold(config)

    def end(self, name: str, trials: list[Row]) -> None:
        """Answer a call with what its trials took: .1 s, or a minute."""
        answers = [{"trial": t["trial_id"], "rows": measured(t)} for t in trials]
        self.search.on_trial_complete(name, {"done": True, **fold(answers)})

    def run(self) -> list[Row]:
        """Run a call to its end; returns its trials."""
        name, trials = self.begin()
        self.end(name, trials)
        return trials


def measured(trial: Row) -> list[Row]:
    seconds = {SHORT: 0.1, LONG: 60.0}[trial["unlearner"]]
    return [row(1, unlearner=trial["unlearner"], unlearn_seconds=seconds, params=trial["params"])]


def test_what_is_folded_unfolds_and_is_short_in_a_name():
    parts = [{"trial_id": str(n), "params": {"lr": n}} for n in range(4)]
    call = pickle.loads(pickle.dumps(fold(parts)))  # our own bytes
    assert unfold(call) == parts
    assert repr(call[THEN]) == "3 more"
    assert fold(parts[:1]) == parts[0]
    assert unfold(parts[0]) == parts[:1]


def test_a_method_whose_last_trials_were_short_gets_several_at_once():
    driver = Driver({SHORT: 40}, Pace())
    assert [len(driver.run()) for _ in range(LATEST)] == [1] * LATEST
    sizes = []
    while driver.search.left:
        sizes.append(len(driver.run()))
    assert sizes[0] == MOST
    assert sizes == sorted(sizes, reverse=True), (
        "the last calls are small: no worker waits for long"
    )
    assert sizes[-1] == 1
    assert sum(sizes) + LATEST == len(driver.told) == 40
    assert driver.search.suggest("last") == StudySearch.FINISHED


def test_a_long_trial_gets_a_call_of_its_own_and_short_ones_share_theirs_all_the_same():
    driver = Driver({SHORT: 30, LONG: 30}, Pace())
    calls = []
    while driver.search.left:
        calls.append([trial["unlearner"] for trial in driver.run()])
    assert all(len(call) == 1 for call in calls if LONG in call)
    assert max(map(len, calls)) == MOST
    assert len(driver.told) == 60
    assert sum(call.count(LONG) for call in calls) == 30


def test_one_trial_at_a_time_knows_no_pace():
    """Two runs are to propose the same trials, and no two take the same time."""
    assert keep_pace(1) is None
    assert isinstance(keep_pace(2), Pace)


def test_of_a_search_that_was_cut_off_what_is_stored_is_told():
    driver = Driver({SHORT: 20}, Pace())
    for _ in range(LATEST):
        driver.run()
    _, trials = driver.begin()
    driver.stored = {trial["trial_id"]: measured(trial) for trial in trials[:3]}
    driver.search.take_stored(driver.stored)
    assert len(driver.told) == LATEST + 3


def test_who_is_told_of_a_trial_and_fails_loses_no_other_trial():
    finetune = study(sampler="random")

    def fail(rows: Sequence[Row]) -> None:
        raise RuntimeError("an observer's own fault")

    search = StudySearch([finetune], {SHORT: 3}, TASK, lambda call: [], fail)
    search.suggest("a")
    search.running["a"] += [finetune.ask(TASK)]
    answers = [{"rows": measured(trial)} for trial in search.running["a"]]
    with pytest.raises(RuntimeError):
        search.on_trial_complete("a", fold(answers))
    assert finetune.count_ended() == 2


def test_without_a_pace_every_trial_has_its_call():
    driver = Driver({SHORT: 8})
    assert [len(driver.run()) for _ in range(8)] == [1] * 8


@pytest.mark.parametrize(("left", "running", "most"), [(0, 0, 1), (9, 1, 2), (100, 1, MOST)])
def test_a_call_leaves_enough_for_the_other_workers(left, running, most):
    assert limit_call(left, running) == most


def test_trials_that_their_worker_did_not_end_run_again_each_alone():
    driver = Driver({SHORT: 20}, Pace())
    for _ in range(LATEST):
        driver.run()
    name, trials = driver.begin()
    assert len(trials) == MOST
    driver.stored = {trial["trial_id"]: measured(trial) for trial in trials[:2]}
    driver.search.on_trial_complete(name, error=True)
    assert len(driver.told) == LATEST + 2
    again = [driver.run() for _ in trials[2:]]
    assert again == [[trial] for trial in trials[2:]]
    while driver.search.left:
        driver.run()
    assert len(driver.told) == 20


def test_the_search_is_not_over_while_a_call_may_give_trials_back():
    driver = Driver({SHORT: 8}, Pace())
    for _ in range(LATEST):
        driver.run()
    shared, trials = driver.begin()
    assert len(trials) == 2
    others = [driver.begin() for _ in range(driver.search.left)]
    assert driver.search.suggest("more") is None
    driver.stored = {trials[0]["trial_id"]: measured(trials[0])}
    driver.search.on_trial_complete(shared, error=True)
    assert driver.begin()[1] == trials[1:]
    for name, alone in others:
        driver.end(name, alone)
    assert driver.search.suggest("last") == StudySearch.FINISHED


def test_one_trial_of_a_call_whose_rows_cannot_be_stored_ends_the_sweep():
    driver = Driver({SHORT: 20}, Pace())
    for _ in range(LATEST):
        driver.run()
    name, _ = driver.begin()
    driver.search.on_trial_complete(name, {"done": True, "unstored": "No space left"})
    assert len(driver.told) == LATEST
    assert driver.search.suggest("more") is None
