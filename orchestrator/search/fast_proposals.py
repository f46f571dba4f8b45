"""What keeps a proposal as quick at the ten-thousandth trial as at the first.

Every private name of Optuna that this program uses stands here; tests/orchestrator/search/test_optuna_contract.py
holds each against the Optuna that is installed.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Container, Mapping
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from tasks.search_space import Domain, Float, Int

SEEN = 500
"""Finished trials. TPE takes 23 ms of processor time for a proposal from twice as many, 185 ms from 10,000."""

CONSTRAINT = "constraints:"
"""How Optuna begins the names of the system attributes with a trial's constraints."""


class RecentStudy(optuna.Study):
    """A study whose sampler sees the last finished trials and those since."""

    _asks = False
    """Whether a proposal is made: a sampler looks several times, and nothing changes meanwhile."""
    _shown: list[FrozenTrial] | None = None
    """What it has seen in this proposal."""

    def ask(self, *arguments: Any, **options: Any) -> optuna.Trial:
        """Propose a trial; see optuna.Study."""
        self._asks = True
        try:
            return super().ask(*arguments, **options)
        finally:
            self._asks, self._shown = False, None

    def _get_trials(
        self,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
        use_cache: bool = False,
    ) -> list[FrozenTrial]:
        """List the trials for a sampler: the one method by which Optuna's samplers read a study.

        Optuna's cache is emptied by a proposal alone, and between two of them trials are added.
        """
        shown = self._shown
        if shown is None:
            shown = self._recent(super()._get_trials(deepcopy=False, use_cache=False))
            self._shown = shown if self._asks else None
        chosen = [t for t in shown if states is None or t.state in states]
        return copy.deepcopy(chosen) if deepcopy else chosen

    def _recent(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        recent: list[FrozenTrial] = []
        finished = 0
        for trial in reversed(trials):
            finished += trial.state.is_finished()
            if finished > SEEN:
                break
            recent.append(trial)
        return recent[::-1]


class KnownSpace(BaseSampler):
    """Another sampler, which proposes what it would have proposed, sooner.

    Only for a study whose trials all search `space`. Optuna's samplers search what all trials have in
    common, and to find that out took 40 % of a proposal of TPE's from a thousand trials.
    """

    def __init__(self, sampler: BaseSampler, space: Mapping[str, BaseDistribution]) -> None:
        self._sampler = sampler
        self._space = {n: d for n, d in sorted(space.items()) if not d.single()}

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the declared space, in the order that Optuna would give it."""
        return self._space

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Sample as the other sampler does; see BaseSampler."""
        return self._sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Sample as the other sampler does; see BaseSampler."""
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Do what the other sampler does; see BaseSampler."""
        self._sampler.before_trial(study, trial)


def distribution(domain: Domain) -> BaseDistribution:
    """Translate a declared search domain to Optuna's form."""
    if isinstance(domain, Float):
        return FloatDistribution(domain.low, domain.high, log=domain.log)
    if isinstance(domain, Int):
        return IntDistribution(domain.low, domain.high, log=domain.log)
    return CategoricalDistribution(domain.choices)


def list_constraints(trial: FrozenTrial) -> dict[str, Any]:
    """Return the system attributes in which a trial keeps what `set_constraint` was given."""
    return {n: value for n, value in trial.system_attrs.items() if n.startswith(CONSTRAINT)}


class Generations:
    """The generations of stored trials: they are counted anew, in the order in which the trials ended.

    A genetic sampler knows no trial without a generation, and keeps the parents of each in the study. Both are as
    if the trials had just been proposed one after another, so that a resumed search has the trials of one that was not.
    """

    def __init__(self, study: optuna.Study, make: Callable[[int], BaseSampler]) -> None:
        """`make` gives the sampler by which the trial of this number was proposed."""
        self._study, self._make = study, make
        sampler = make(0)
        self._size = getattr(sampler, "population_size", None)
        key = getattr(sampler, "_get_generation_key", None)
        self._key = key() if key else None
        self._proposed = self._latest = self._complete = 0

    def note_next(self, state: TrialState) -> dict[str, Any]:
        """Return the system attributes of the next trial, which ended so; none if the sampler is not genetic.

        The trial is not in the study yet, all before it are: the parents of a new generation are chosen of these.
        """
        number, self._proposed = self._proposed, self._proposed + 1
        if self._key is None:
            return {}
        if self._complete == self._size:
            self._latest, self._complete = self._latest + 1, 0
            sampler: Any = self._make(number)
            sampler.get_parent_population(self._study, self._latest)
        self._complete += state == TrialState.COMPLETE
        return {self._key: self._latest}
