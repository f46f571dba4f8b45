"""What we rely on in Optuna beyond its public names, held against the Optuna that is installed."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from orchestrator.results.objectives import OBJECTIVES
from orchestrator.search import fast_proposals
from orchestrator.search.fast_proposals import (
    SEEN,
    Generations,
    KnownSpace,
    RecentStudy,
    list_constraints,
)
from orchestrator.search.samplers import POPULATION, SAMPLERS, sampler_named
from orchestrator.search.study_trials import TrialMaker

SPACE = {
    "lr": FloatDistribution(1e-4, 1e-1, log=True),
    "epochs": IntDistribution(1, 10),
    "fixed": IntDistribution(3, 3),
    "alpha": FloatDistribution(0.0, 1.0),
}
TRIALS = 30
"""More than the start-up trials of TPE and GP, and than a generation of NSGA-II."""
GENETIC = {"nsgaii", "nsgaiii"}
SEARCH = Path(fast_proposals.__file__).parent


def test_a_study_is_read_by_the_one_method_that_we_override():
    parameters = inspect.signature(optuna.Study._get_trials).parameters
    ours = inspect.signature(RecentStudy._get_trials).parameters
    assert list(ours) == list(parameters) == ["self", "deepcopy", "states", "use_cache"]
    assert [p.default for p in ours.values()] == [p.default for p in parameters.values()]
    for name in SAMPLERS:
        package = inspect.getsourcefile(type(sampler_named(name, 0)))
        assert package
        assert "get_all_trials" not in Path(package).read_text()


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_generation_of_a_trial_is_noted_under_the_key_that_we_ask_for(name):
    study = optuna.create_study(directions=["maximize", "minimize"])
    again = RecentStudy(study.study_name, study._storage)
    generations = Generations(again, lambda number: sampler_named(name, number))
    for number in range(2 * POPULATION + 5 if name in GENETIC else 2):
        study.sampler = sampler_named(name, number)
        trial = study.ask(SPACE)
        values = None if number in (1, POPULATION + 2) else [trial.params["lr"], 0.0]
        state = TrialState.COMPLETE if values else TrialState.FAIL
        notes = generations.note_next(state)
        assert bool(notes) == (name in GENETIC)
        assert notes.items() <= study.trials[number].system_attrs.items()
        study.tell(trial, values, state)
    assert not notes or set(notes.values()) == {2}


def test_the_private_names_of_optuna_stand_in_one_file():
    for file in set(SEARCH.glob("*.py")) - {Path(fast_proposals.__file__)}:
        tree = ast.parse(file.read_text())
        private = {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
            and node.attr.startswith("_")
            and node.attr != "_asdict"  # of every named tuple: public
            and not node.attr.endswith("__")
            and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
        }
        modules = {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        assert private == set(), file.name
        assert not [m for m in modules if m.startswith("optuna.") and "._" in m], file.name


def proposals(name: str, known: bool) -> list[dict[str, float]]:
    study = optuna.create_study(directions=["maximize", "minimize"])
    found = []
    for number in range(TRIALS):
        sampler = sampler_named(name, number)
        study.sampler = KnownSpace(sampler, SPACE) if known else sampler
        trial = study.ask(SPACE)
        study.tell(trial, [trial.params["lr"], trial.params["alpha"]])
        found.append(trial.params)
    return found


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_proposals_in_a_known_space_are_those_of_the_sampler_alone(name):
    assert proposals(name, known=True) == proposals(name, known=False)


@pytest.mark.parametrize("name", SAMPLERS)
def test_no_sampler_has_anything_to_do_after_a_trial(name):
    """We close trials in the storage, which asks no sampler."""
    study = optuna.create_study(directions=["maximize", "minimize"])
    told = []
    for number in range(TRIALS):
        study.sampler = sampler_named(name, number)
        trial = study.ask(SPACE)
        before = study.trials[-1].system_attrs
        study.tell(trial, [trial.params["lr"], trial.params["alpha"]])
        told.append((before, study.trials[-1].system_attrs))
    assert all(before == after for before, after in told)


class Looking(optuna.samplers.RandomSampler):
    """Notes which trials there are for it."""

    seen: list[int]
    complete: int

    def infer_relative_search_space(self, study, trial):  # type: ignore[no-untyped-def]
        self.seen = [t.number for t in study.get_trials(deepcopy=False)]
        self.complete = len(study.get_trials(deepcopy=False, states=[TrialState.COMPLETE]))
        return super().infer_relative_search_space(study, trial)


def long_study(finished: int, sampler: BaseSampler) -> RecentStudy:
    storage = InMemoryStorage()
    storage.create_new_study([StudyDirection.MAXIMIZE] * 2, "long")
    study = RecentStudy("long", storage)
    study.ask(SPACE)  # still running, from the very beginning
    study.add_trials(
        optuna.create_trial(
            params={"lr": 1e-3, "epochs": 5, "fixed": 3, "alpha": n / finished},
            distributions=SPACE,
            values=[float(n), -float(n)],
        )
        for n in range(finished)
    )
    study.sampler = sampler
    return study


@pytest.mark.parametrize("finished", [3, SEEN, SEEN + 5])
def test_a_sampler_sees_the_last_finished_trials_and_all_since(finished):
    study = long_study(finished, sampler := Looking(seed=0))
    for number in (finished + 1, finished + 2):
        trial = study.ask(SPACE)  # left running
        assert trial.number == number
        first = 0 if finished <= SEEN else finished - SEEN + 1
        assert sampler.seen == list(range(first, number + 1))
        assert sampler.complete == min(SEEN, finished)


@pytest.mark.parametrize("name", sorted(set(SAMPLERS) - {"gp"}))  # which takes minutes for so many
def test_every_sampler_proposes_in_a_long_study(name):
    study = long_study(SEEN + 5, SAMPLERS.resolve(name)(seed=0))
    assert 0.0 <= study.ask(SPACE).params["alpha"] <= 1.0


def test_what_a_constraint_is_kept_in_is_found():
    trial = optuna.create_trial(values=[0.0], system_attrs={"a-samplers:note": 1})
    trial.set_constraint("x<=1", 0.5)
    kept = list_constraints(trial)
    assert list(kept.values()) == [0.5]
    assert optuna.create_trial(values=[0.0], system_attrs=kept).constraints == {"x<=1": 0.5}


def test_a_storage_in_memory_keeps_a_finished_trial_as_it_is_given():
    """It numbers the very object, where its copy would cost most of the time of a resume."""
    storage = InMemoryStorage()
    study_id = storage.create_new_study([StudyDirection.MAXIMIZE] * 3, "kept")
    last: dict[str, Any] = {
        "trial_id": "a", "params": "{}", "state": "complete", "relative_cost": 0.1,
        "validation_accuracy_retained": 0.5, "validation_indistinguishability": 0.5,
    }  # fmt: skip
    given = TrialMaker(OBJECTIVES["pareto"], {}, {}).trial(last)
    storage.create_new_trial(study_id, given)
    (kept,) = storage.get_all_trials(study_id, deepcopy=False)
    assert kept is given
    assert kept.number == 0
    given._validate()  # as Study.add_trial would
    assert isinstance(given, FrozenTrial)
