"""The plan of a sweep as text, with what it is expected to cost."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from orchestrator.cluster.resources import count_local_resources
from orchestrator.config import LOCAL, SweepConfig
from orchestrator.reporting.durations import spell_duration
from orchestrator.results.objectives import objective_named, steers_on_test
from orchestrator.results.store import read_finished_trials
from orchestrator.search.narrowing import Space, narrow_space
from orchestrator.sweeps.budget import ENDLESS, count_ended, is_open, trials_left
from orchestrator.sweeps.confirm import complete_repeat
from orchestrator.sweeps.data_check import check_same_data, choose_task
from orchestrator.sweeps.folder import find_free_name
from orchestrator.sweeps.plan import SweepPlan, resolve
from orchestrator.sweeps.preview.models import FoundModels, find_models
from orchestrator.sweeps.stages.estimate import expect_cost
from orchestrator.sweeps.stored.adopted import adopt_stored
from orchestrator.sweeps.stored.shown_studies import list_first_of
from orchestrator.sweeps.stored.spent_time import measure_time_left
from orchestrator.sweeps.stored.warm_start import add_warm_points
from tasks.search_space import parameters
from tasks.unlearners import unlearner_class


@dataclass(frozen=True)
class Preview:
    """What a sweep would run."""

    plan: SweepPlan
    source: str
    """Where the data are from."""
    left: Mapping[str, int]
    """Trials that are still to be run, by unlearner."""
    models: FoundModels | str
    """The models, or why they are not known."""
    ended: Mapping[str, int]
    """Trials that are finished, by unlearner."""
    time_left: float
    """Seconds that are left of a budget of time; infinite if there is none."""
    notices: tuple[str, ...]
    """What the sweep would say at its start."""

    @property
    def spaces(self) -> dict[str, Space]:
        """What is searched of each method."""
        return {name: narrow_space(name, self.plan.config.set) for name in self.plan.budgets}

    @property
    def trial_costs(self) -> dict[str, float]:
        """The expected cost of a trial of each method, a share of a retrain's; empty if it is not known."""
        if isinstance(self.models, str):
            return {}
        plan, sizes = self.plan, self.models.sizes
        requests = len(plan.task.requests)
        return {
            name: requests * expect_cost(name, sizes, plan.config.set, plan.cost_limit)
            for name in plan.budgets
        }

    @property
    def search_cost(self) -> float | None:
        """The expected cost of the trials that are left, in retrains; None if it is not known."""
        costs = self.trial_costs
        if not costs or is_open(self.plan.config):
            return None
        return sum(self.left[name] * cost for name, cost in costs.items())

    @property
    def seconds(self) -> float | None:
        """Expected seconds of training and unlearning; None if no retrain's time is known."""
        if is_open(self.plan.config):
            return self.time_left
        if isinstance(self.models, str) or self.models.retrain_seconds is None:
            return None
        work = self.models.training_cost + (self.search_cost or 0.0)
        return min(self.time_left, work * self.models.retrain_seconds / self.plan.concurrent)

    def list_lines(self) -> Iterator[str]:
        """Yield the plan as lines of text."""
        plan, objective = self.plan, self.plan.objective
        yield from self.notices
        yield f"sweep {plan.name} under {plan.storage}"
        yield f"task {plan.task.name} ({self.source}), model {plan.task.model}, seed {plan.seed}"
        pairs = zip(objective.directions, objective.metrics, strict=True)
        yield f"objective {plan.config.objective}: {', '.join(' '.join(pair) for pair in pairs)}"
        if objective.required:
            yield f"required: {', '.join(map(str, objective.required))}"
        room = f"{plan.cpus} {'CPU' if plan.cpus == 1 else 'CPUs'}"
        room += f" and {plan.gpus:g} GPUs" if plan.gpus else ""
        yield (
            f"{self._spell_size()}; {plan.concurrent} at a time on {room} each; sampler {plan.sampler}, "
            f"allocation {plan.config.allocation}"
        )
        for name in plan.budgets:
            yield from self._list_method(name)
        yield from self._list_costs()

    def _spell_size(self) -> str:
        config, finished = self.plan.config, sum(self.ended.values())
        if is_open(config):
            done = f"; {finished} trials are finished" if finished else ""
            return f"as many trials as fit into {config.budget}, models and the end included{done}"
        done = f", of which {finished} are finished" if finished else ""
        most = f", or those that fit into {config.budget}" if config.budget else ""
        return f"{sum(self.plan.budgets.values())} trials{done}{most}"

    def _list_method(self, name: str) -> Iterator[str]:
        count, cost = self.plan.budgets[name], self.trial_costs.get(name)
        about = "" if cost is None else f", about {cost:.3g} of a retrain each"
        if about and unlearner_class(name).counts_beside:
            about += ", and what it computes beside its passes"
        many = "" if count >= ENDLESS else f": {count} {'trial' if count == 1 else 'trials'}"
        yield f"  {name}{many}{about}"
        space = self.spaces[name]
        for parameter in parameters(unlearner_class(name)):
            if parameter in space.domains:
                yield f"      {parameter} in {space.domains[parameter]}"
            elif parameter in space.fixed:
                yield f"      {parameter} = {space.fixed[parameter]}"
        first = list_first_of(self.plan.config, name)
        if first:
            yield f"      first: {', '.join(point.by for point in first)}"

    def _list_costs(self) -> Iterator[str]:
        models = self.models
        if isinstance(models, str):
            yield f"models, cost and time are not known: {models}"
            return
        for what, roles in (("cached", models.cached), ("to be trained", models.missing)):
            if roles:
                yield f"{what}: {', '.join(roles)}"
        training = models.training_cost
        if is_open(self.plan.config):
            yield f"cost: {training:.3g} retrains for models that are not trained yet, and the trials"
            yield f"time: {spell_duration(self.time_left)} of the budget are left"
            return
        yield (
            f"cost: about {(self.search_cost or 0.0) + training:.3g} retrains, {training:.3g} of them for models that "
            "are not trained yet"
        )
        if self.seconds is None:
            yield "time: not known before a reference is trained; the sweep says it after a few seconds"
        else:
            yield f"time: about {spell_duration(self.seconds)} of training and unlearning; measuring comes on top"


def preview_sweep(config: SweepConfig) -> Preview:
    """Find out what a sweep would do; Ray is not started, and nothing is written under the storage root.

    A cluster is not asked: its nodes are taken to be as this machine. Raises InvalidValue or DatasetNotFound for
    bad input, as the sweep would.
    """
    notices: list[str] = []
    config = add_warm_points(adopt_stored(complete_repeat(config.validate())))
    config = choose_task(config, notices.append, keep_original=False)
    unsteady = steers_on_test(objective_named(config.aim))
    if unsteady:
        notices.append(f"NOTICE: this objective optimises {', '.join(unsteady)} on the test half")
    if config.address != LOCAL:
        notices.append(f"NOTICE: {config.address} is not asked: as if its nodes were this machine")
    name = config.name or find_free_name(config)
    plan = resolve(config, name, count_local_resources(), notices.append)
    finished = read_finished_trials(plan.storage, name)
    data = check_same_data(plan, finished)
    left = trials_left(plan.config, finished)
    time_left = math.inf
    if plan.config.budget is not None:
        time_left = measure_time_left(plan.config, (rows[-1] for rows in finished.values()))
    ended, models = count_ended(plan.config, finished), find_models(plan, data)
    return Preview(plan, data.source, left, models, ended, time_left, tuple(notices))
