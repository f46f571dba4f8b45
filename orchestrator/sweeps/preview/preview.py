"""The plan of a sweep as text, with what it is expected to cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from orchestrator.cluster.resources import count_local_resources
from orchestrator.config import LOCAL, SweepConfig
from orchestrator.reporting.durations import spell_duration
from orchestrator.results.objectives import objective_named, steers_on_test
from orchestrator.results.store import read_finished_trials
from orchestrator.search.narrowing import Space, narrow_space
from orchestrator.sweeps.budget import trials_left
from orchestrator.sweeps.confirm import complete_repeat
from orchestrator.sweeps.data_check import check_same_data, choose_task
from orchestrator.sweeps.estimate import expect_cost
from orchestrator.sweeps.folder import find_free_name
from orchestrator.sweeps.plan import SweepPlan, adopt_stored, resolve
from orchestrator.sweeps.preview.models import FoundModels, find_models
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
        return sum(self.left[name] * cost for name, cost in costs.items()) if costs else None

    @property
    def seconds(self) -> float | None:
        """Expected seconds of training and unlearning; None if no retrain's time is known."""
        if isinstance(self.models, str) or self.models.retrain_seconds is None:
            return None
        work = self.models.training_cost + (self.search_cost or 0.0)
        return work * self.models.retrain_seconds / self.plan.concurrent

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
        total, left = sum(plan.budgets.values()), sum(self.left.values())
        done = f", of which {total - left} are finished" if left < total else ""
        yield (
            f"{total} trials{done}; {plan.concurrent} at a time on {room} each; sampler {plan.sampler}"
        )
        for name in plan.budgets:
            yield from self._list_method(name)
        yield from self._list_costs()

    def _list_method(self, name: str) -> Iterator[str]:
        count, cost = self.plan.budgets[name], self.trial_costs.get(name)
        about = "" if cost is None else f", about {cost:.3g} of a retrain each"
        yield f"  {name}: {count} {'trial' if count == 1 else 'trials'}{about}"
        space = self.spaces[name]
        for parameter in parameters(unlearner_class(name)):
            if parameter in space.domains:
                yield f"      {parameter} in {space.domains[parameter]}"
            elif parameter in space.fixed:
                yield f"      {parameter} = {space.fixed[parameter]}"

    def _list_costs(self) -> Iterator[str]:
        models = self.models
        if isinstance(models, str):
            yield f"models, cost and time are not known: {models}"
            return
        for what, roles in (("cached", models.cached), ("to be trained", models.missing)):
            if roles:
                yield f"{what}: {', '.join(roles)}"
        training = models.training_cost
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
    config = adopt_stored(complete_repeat(config.validate()))
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
    return Preview(plan, data.source, left, find_models(plan, data), tuple(notices))
