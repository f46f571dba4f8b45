"""What the studies behind a sweep propose, how many trials each gets, and what a search tells them."""

from __future__ import annotations

from typing import Any

import pytest
from optuna.trial import TrialState
from study_rows import PARETO, TASK, proposed, row, stored, study

from orchestrator.config import SweepConfig
from orchestrator.execution.searcher import StudySearch
from orchestrator.reporting.progress import Progress
from orchestrator.results.rows import trial_key
from orchestrator.search.samplers import POPULATION, SAMPLERS, derived_seed
from orchestrator.sweeps.budget import trials_left
from tasks.errors import InvalidValue, StorageFault
from tasks.search_space import search_space
from tasks.unlearners import UNLEARNERS, unlearner_class


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_proposes_within_the_declared_domains(sampler):
    finetune = study(sampler=sampler)
    for number in range(4):
        trial = finetune.ask(TASK)
        for name, domain in search_space(unlearner_class("finetune")).items():
            assert trial["params"][name] in domain
        finetune.tell(trial["trial_id"], [row(trial["params"]["epochs"], accuracy=0.1 * number)])
    told = [t.values[0] for t in proposed(finetune).values()]
    assert told == pytest.approx([0.0, 0.1, 0.2, 0.3])


def test_a_sampler_of_ones_own_is_a_class_or_function_that_takes_a_seed():
    finetune = study(sampler="optuna.samplers:QMCSampler")
    lr = search_space(unlearner_class("finetune"))["lr"]
    assert finetune.ask(TASK)["params"]["lr"] in lr
    assert SweepConfig(sampler="optuna.samplers:QMCSampler").validate()


@pytest.mark.parametrize(
    ("sampler", "said"),
    [
        ("bayes", "valid: tpe, nsgaii, nsgaiii, gp, random"),
        ("optuna.samplers:NoSampler", "cannot import sampler"),
        ("optuna.samplers:GridSampler", r"cannot be made by \(seed=0\)"),
        ("random:Random", r"cannot be made by \(seed=0\)"),
        ("builtins:dict", "is not an optuna.samplers.BaseSampler"),
    ],
)
def test_what_is_no_sampler_is_bad_input(sampler, said):
    with pytest.raises(InvalidValue, match=said):
        SweepConfig(sampler=sampler).validate()


@pytest.mark.parametrize("unlearner", [name for name in UNLEARNERS if name != "retrain"])
def test_every_unlearner_can_be_asked_for(unlearner):
    trial = study(unlearner).ask(TASK)
    assert unlearner_class(unlearner).from_params(trial["params"]).params == trial["params"]


def test_a_trial_is_called_by_its_content():
    trial = study(seed=3).ask(TASK)
    key = trial_key(TASK, "finetune", trial["params"], trial["seed"])
    assert trial["trial_id"] == f"finetune-{key[:12]}"
    assert study(seed=3).ask("another-task")["trial_id"] != trial["trial_id"]


def test_the_same_seed_gives_the_same_proposals_and_another_seed_others():
    def proposals(seed: int) -> list[dict[str, Any]]:
        finetune = study(seed=seed)
        return [finetune.ask(TASK) for _ in range(3)]

    assert proposals(1) == proposals(1)
    assert proposals(1) != proposals(2)
    assert len({trial["seed"] for trial in proposals(1)}) == 3


@pytest.mark.parametrize("sampler", ["nsgaii", "nsgaiii"])
def test_a_genetic_sampler_breeds_from_the_rows(sampler):
    """From parents of which each had a learning rate of its own, and which differ from random ones."""
    finished = []
    for number in range(2 * POPULATION):
        params = {"lr": 0.02 + 0.001 * number, "epochs": 3, "retain_share": 0.25}
        trial = {
            "trial_id": f"finetune-{number:04d}", "unlearner": "finetune", "params": params,
            "seed": derived_seed(0, f"finetune-{number:04d}"),
        }  # fmt: skip
        finished.append(stored(trial, [row(3, accuracy=0.01 * number)], number))
    bred = study(sampler=sampler, finished=finished)
    params = [bred.ask(TASK)["params"] for _ in range(10)]
    assert sum(p["retain_share"] == 0.25 for p in params) >= 5
    best = {0.02 + 0.001 * number for number in range(POPULATION, 2 * POPULATION)}
    assert {p["lr"] for p in params} & best


def test_what_is_given_is_proposed_one_after_another_and_what_was_cut_short_again():
    given = [{"lr": 0.01 * n, "epochs": n, "retain_share": 0.5} for n in (1, 2, 3)]
    first = study(given=given)
    trials = [first.ask(TASK) for _ in range(3)]
    assert [trial["params"]["epochs"] for trial in trials] == [1, 2, 3]
    again = study(finished=[stored(trials[1], [row(1), row(2)])], given=given)
    assert [again.ask(TASK)["params"]["epochs"] for _ in range(2)] == [1, 3]


def test_what_is_given_twice_is_proposed_twice():
    given = [{"lr": 0.01, "epochs": n, "retain_share": 0.5} for n in (1, 1, 2)]
    twice = study(given=given)
    trials = [twice.ask(TASK) for _ in range(3)]
    assert [trial["params"]["epochs"] for trial in trials] == [1, 1, 2]
    assert len({trial["trial_id"] for trial in trials}) == 3


def test_budgets_are_equal_interleaved_and_reduced_by_what_is_finished():
    names = ("finetune", "ssd", "retrain")
    done = {"role": "trial", "unlearner": "finetune", "state": "complete"}
    left = trials_left(SweepConfig(unlearners=names, trials=3), {"finetune-0000": [done]})
    assert left == {"finetune": 2, "ssd": 3, "retrain": 1}
    search = StudySearch([study(name) for name in names], left, TASK, on_crash=lambda _: [])
    order = [search.suggest(f"tune-{n}") for n in range(7)]
    unlearners = [trial["unlearner"] for trial in order[:6]]
    assert unlearners == ["ssd", "finetune", "ssd", "finetune", "ssd", "retrain"]
    assert order[6] == StudySearch.FINISHED


def test_a_crashed_trial_is_told_by_the_rows_its_worker_managed_to_write():
    finetune = study()
    progress = Progress(PARETO, 2)
    search = StudySearch([finetune], {"finetune": 2}, TASK, lambda _: [[row(1)]], progress.finish)
    search.suggest("tune-a")
    search.on_trial_complete("tune-a", error=True)
    assert (progress.done, progress.failed) == (1, 0)
    assert [t.state for t in finetune.trials] == [TrialState.COMPLETE]
    assert not search.running


def test_rows_that_a_worker_could_not_store_end_the_sweep():
    search = StudySearch([finetune := study()], {"finetune": 2}, TASK, lambda _: [[row(1)]])
    search.check()
    search.suggest("tune-a")
    search.on_trial_complete("tune-a", {"done": True, "unstored": "No space left (on here)"})
    with pytest.raises(StorageFault, match="No space left"):
        search.check()
    assert search.suggest("tune-b") is None
    assert search.left == 1
    assert list(search.running) == ["tune-a"]
    assert [t.state for t in finetune.trials] == [TrialState.RUNNING]
