"""A sampler that need not find out what is searched proposes the same."""

from __future__ import annotations

import optuna
import pytest
from optuna.distributions import FloatDistribution, IntDistribution

from orchestrator.search.known_space import KnownSpace
from orchestrator.search.samplers import SAMPLERS, sampler_named

SPACE = {
    "lr": FloatDistribution(1e-4, 1e-1, log=True),
    "epochs": IntDistribution(1, 10),
    "fixed": IntDistribution(3, 3),
    "alpha": FloatDistribution(0.0, 1.0),
}
TRIALS = 30
"""More than the start-up trials of TPE and GP, and than a generation of NSGA-II."""


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
def test_the_proposals_are_those_of_the_sampler_alone(name):
    assert proposals(name, known=True) == proposals(name, known=False)
