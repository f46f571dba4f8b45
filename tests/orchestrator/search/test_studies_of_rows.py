"""A study made of the rows that are stored: it knows what the one that was told knew, and goes on as that."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from optuna.trial import TrialState
from study_rows import TASK, content, proposed, row, run, stored, study

from orchestrator.search.samplers import SAMPLERS, derived_seed
from tasks.search_space import Float, Int, search_space
from tasks.unlearners import unlearner_class
from tasks.unlearners.base import Unlearner

QUICK = sorted(set(SAMPLERS) - {"gp"})


@pytest.mark.parametrize("sampler", ["random", "tpe"])
@pytest.mark.parametrize("lost", [0, 7, 19])
def test_a_study_of_rows_goes_on_as_the_one_that_died(sampler, lost):
    """One trial at a time: all that a killed driver took with it is the trial that it was at."""
    undisturbed = run(study(sampler=sampler), 20)
    dead = study(sampler=sampler)
    kept = run(dead, lost)
    dead.ask(TASK)
    went_on = study(sampler=sampler, finished=kept)
    assert kept + run(went_on, 20 - lost, first=lost) == undisturbed


@pytest.mark.parametrize("sampler", QUICK)
@pytest.mark.parametrize("lost", [31, 80])
def test_a_resumed_search_has_the_trials_of_one_that_was_not(sampler, lost):
    """Over several generations, with trials that failed."""
    undisturbed = search(study(sampler=sampler), 110)
    kept = search(study(sampler=sampler), lost)
    went_on = study(sampler=sampler, finished=kept)
    assert kept + search(went_on, 110 - lost, first=lost) == undisturbed


def search(finetune: Any, count: int, first: int = 0) -> list[list[dict[str, Any]]]:
    """Ask for and tell trials that depend on what was proposed, every seventh of which fails; return their rows."""
    finished = []
    for number in range(first, first + count):
        trial = finetune.ask(TASK)
        lr, share = trial["params"]["lr"], trial["params"]["retain_share"]
        measured = {"accuracy": 1 - lr, "validation_indistinguishability": lr + share}
        state = "failed" if number % 7 == 3 else "complete"
        rows = [row(trial["params"]["epochs"], state=state, **measured)]
        finetune.tell(trial["trial_id"], rows)
        finished.append(stored(trial, rows, number))
    return finished


@pytest.mark.parametrize("sampler", QUICK)
def test_a_study_of_rows_knows_what_the_one_that_was_told_knew(sampler):
    first = study(sampler=sampler)
    finished = mixed(first)
    again = study(sampler=sampler, finished=reversed(finished))
    assert content(again.trials) == content(first.trials)
    assert [t.number for t in again.trials] == list(range(len(again.trials)))


def mixed(finetune: Any) -> list[list[dict[str, Any]]]:
    """Rows of complete trials, a failed and a pruned one, and one without a finite value."""
    finished = run(finetune, 3)
    for number, state in enumerate(("failed", "pruned", "complete"), 3):
        trial = finetune.ask(TASK)
        before = "pruned" if state == "pruned" else "complete"
        accuracy = math.nan if state == "complete" else 0.5
        rows = [row(1, state=before), row(2, state=state, accuracy=accuracy)]
        finetune.tell(trial["trial_id"], rows)
        finished.append(stored(trial, rows, number))
    return finished


def test_every_trial_is_told_as_its_last_row_says():
    finetune = study()
    states = [t.state for t in proposed(study(finished=mixed(finetune))).values()]
    assert states == [t.state for t in proposed(finetune).values()]
    assert states == [TrialState.COMPLETE] * 3 + [
        TrialState.FAIL, TrialState.PRUNED, TrialState.FAIL,
    ]  # fmt: skip


def test_the_seed_of_a_trial_that_was_cut_short_is_free_again():
    first = study(sampler="random")
    trials = [first.ask(TASK) for _ in range(4)]
    kept = [stored(trials[n], [row(1)], n) for n in (0, 2)]
    again = study(sampler="random", finished=kept)
    assert [again.ask(TASK) for _ in range(2)] == [trials[1], trials[3]]
    assert again.ask(TASK)["trial_id"] not in {trial["trial_id"] for trial in trials}


def test_rows_of_the_first_version_are_known_by_their_seeds():
    """It numbered trials; the seed came from the number, as it does now."""
    trials = [
        {
            "trial_id": f"finetune-{number:04d}", "unlearner": "finetune",
            "params": {"lr": 0.01, "epochs": 2, "retain_share": 0.5 - 0.01 * number},
            "seed": derived_seed(0, f"finetune-{number:04d}"),
        }
        for number in (0, 1, 3)
    ]  # fmt: skip
    finished = [stored(trial, [row(1), row(2)], n) for n, trial in enumerate(trials)]
    again = study(finished=finished)
    assert list(proposed(again)) == ["finetune-0000", "finetune-0001", "finetune-0003"]
    assert all(t.state == TrialState.COMPLETE for t in again.trials)
    seeds = [again.ask(TASK)["seed"] for _ in range(2)]
    assert seeds == [derived_seed(0, f"finetune-{number:04d}") for number in (2, 4)]


def test_rows_that_do_not_say_what_was_run_are_trials_all_the_same():
    blank = stored(study().ask(TASK), [row(1)])
    blank[0] |= {"params": None, "seed": None, "finished_at": None}
    again = study(finished=[blank])
    assert [t.params for t in again.trials] == [{}]
    assert again.ask(TASK)["params"]


def test_a_row_from_before_a_hyper_parameter_was_searched_has_its_default():
    older = stored(study().ask(TASK), [row(1)])
    params = json.loads(older[0]["params"])
    assert params.pop("retain_share") is not None
    older[0]["params"] = json.dumps(params)
    (trial,) = study(finished=[older]).trials
    assert trial.params == {
        **{n: params[n] for n in trial.params if n in params},
        "retain_share": 1.0,
    }


def test_an_id_that_is_taken_by_hand_is_passed_over():
    first, second = (trials := study(sampler="random")).ask(TASK), trials.ask(TASK)
    taken = stored({**first, "seed": 1}, [row(1)])
    assert study(sampler="random", finished=[taken]).ask(TASK) == second


def test_of_a_trial_that_was_ended_the_last_point_is_told_with_its_own_epoch():
    finetune = study()
    trial_id = finetune.ask(TASK)["trial_id"]
    finetune.tell(trial_id, [row(epoch, state="pruned") for epoch in (1, 2)])
    (point,) = [t for t in finetune.trials if t.user_attrs.get("end_of") == trial_id]
    assert (point.params["epochs"], point.values[2]) == (2, 2.0)


def test_a_trial_whose_worker_died_has_no_metrics_and_is_told_as_failed():
    finetune = study()
    finetune.tell(finetune.ask(TASK)["trial_id"], [{"state": "failed", "epoch": 0}])
    assert [t.state for t in finetune.trials] == [TrialState.FAIL]


class NeverRun(Unlearner):
    """A method that is only proposed for."""

    def unlearn(self, problem):
        """See Unlearner."""
        yield


@dataclass(frozen=True)
class StartsLate(NeverRun):
    """A method that is not searched below three epochs."""

    epochs: Annotated[int, Int(3, 9)] = 3


def test_a_point_that_nobody_could_have_proposed_is_not_told():
    late = study(f"{__name__}:StartsLate")
    for end in (2, 4):
        rows = [row(epoch, state="pruned") for epoch in range(1, end + 1)]
        late.tell(late.ask(TASK)["trial_id"], rows)
    points = [t for t in late.trials if "end_of" in t.user_attrs]
    assert [t.params["epochs"] for t in points] == [4]


@pytest.mark.parametrize("state", ["pruned", "complete"])
def test_a_trial_is_told_once_however_often_it_is_called(state):
    finetune = study()
    for _ in range(15):
        trial_id = finetune.ask(TASK)["trial_id"]
        for _ in range(2):
            finetune.tell(trial_id, [row(1, state=state), row(2, accuracy=0.1, state=state)])
    states = [t.state for t in finetune.trials]
    assert states.count(TrialState.PRUNED) == (15 if state == "pruned" else 0)
    assert states.count(TrialState.COMPLETE) == 15


@dataclass(frozen=True)
class Before(NeverRun):
    """A method before its search space was edited."""

    strength: Annotated[float, Float(0.0, 60.0)] = 0.5
    epochs: Annotated[int, Int(1, 20)] = 5


@dataclass(frozen=True)
class After(NeverRun):
    """The method after that: narrower, and with one more."""

    strength: Annotated[float, Float(0.0, 1.0)] = 0.5
    epochs: Annotated[int, Int(1, 5)] = 5
    added: Annotated[float, Float(0.0, 1.0)] = 0.5


@pytest.mark.parametrize("sampler", ["tpe", "nsgaii", "gp"])
def test_proposals_go_on_where_a_space_was_edited_before_a_resume(sampler):
    before = study(f"{__name__}:Before", sampler="random")
    finished = run(before, 30)
    name = f"{__name__}:After"
    after = study(name, sampler, finished=[[r | {"unlearner": name} for r in t] for t in finished])
    assert len(proposed(after)) == 30
    assert any("strength" not in t.params for t in proposed(after).values())
    assert {t.values[0] for t in proposed(after).values()} == {
        t[-1]["validation_accuracy_retained"] for t in finished
    }
    params = after.ask(TASK)["params"]
    assert After.from_params(params).params == params


def test_params_are_stored_and_read_as_they_were_proposed():
    """Or the next driver's study would know another trial."""
    trial = study().ask(TASK)
    rows = stored(trial, [row(1)])
    assert json.loads(rows[0]["params"]) == trial["params"]
    (again,) = study(finished=[rows]).trials
    searched = search_space(unlearner_class("finetune"))
    assert again.params == {name: trial["params"][name] for name in searched}
