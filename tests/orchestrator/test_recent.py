"""What a sampler sees of a study with more trials than it can be shown."""

from __future__ import annotations

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from orchestrator.search.recent_study import SEEN, RecentStudy
from orchestrator.search.samplers import SAMPLERS

SPACE = {"lr": FloatDistribution(0.0, 1.0)}


class Looking(optuna.samplers.RandomSampler):
    """Notes which trials there are for it."""

    seen: list[int]
    complete: int

    def infer_relative_search_space(self, study, trial):
        self.seen = [t.number for t in study.get_trials(deepcopy=False)]
        self.complete = len(study.get_trials(deepcopy=False, states=[TrialState.COMPLETE]))
        return super().infer_relative_search_space(study, trial)


def long_study(finished: int) -> RecentStudy:
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(storage=storage, study_name="long", directions=["maximize"] * 2)
    study.ask(SPACE)  # still running, from the very beginning
    study.add_trials(
        create_trial(params={"lr": n / finished}, distributions=SPACE, values=[float(n), -float(n)])
        for n in range(finished)
    )
    return RecentStudy("long", storage)


@pytest.mark.parametrize("finished", [3, SEEN, SEEN + 5])
def test_a_sampler_sees_the_last_finished_trials_and_all_since(finished):
    study = long_study(finished)
    study.sampler = sampler = Looking(seed=0)
    for number in (finished + 1, finished + 2):
        trial = study.ask(SPACE)  # left running
        assert trial.number == number
        first = 0 if finished <= SEEN else finished - SEEN + 1
        assert sampler.seen == list(range(first, number + 1))
        assert sampler.complete == min(SEEN, finished)


@pytest.mark.parametrize("name", set(SAMPLERS) - {"gp"})  # which takes minutes for so many
def test_every_sampler_proposes_in_a_long_study(name):
    study = long_study(SEEN + 5)
    study.sampler = SAMPLERS[name](0)
    assert 0.0 <= study.ask(SPACE).params["lr"] <= 1.0
