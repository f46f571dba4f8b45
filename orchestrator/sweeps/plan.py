"""From what the user gave to what will be run: every default decided, once."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.cluster.connection import COLD, warm_environment
from orchestrator.cluster.resources import DEFAULT_GPU_SHARE, Resources, count_local_resources
from orchestrator.config import (
    DEFAULT_REFERENCES,
    DEFAULT_REFERENCES_BY_TASK,
    DEFAULT_TASK,
    DEFAULT_TRIALS,
    DEFAULT_TRIALS_PER_SLOT,
    DEFAULT_UNLEARNERS,
    LOCAL,
    SweepConfig,
    check_deterministic,
)
from orchestrator.reporting.logged import KEY
from orchestrator.results.objectives import Objective, objective_named
from orchestrator.search.samplers import RANDOM_AT_FIRST
from orchestrator.sweeps.budget import ENDLESS, budgets
from orchestrator.worker.settings import WorkerSettings
from tasks.datasets.options import DataOptions
from tasks.datasets.sources import DEFAULT_DATA_DIR
from tasks.errors import InvalidValue
from tasks.evaluation import choose_metrics, names_shadows
from tasks.needs import CALIBRATION, list_trained
from tasks.roles import GivenOriginal
from tasks.task import Task
from tasks.unlearners import list_needing, list_needs

Say = Callable[[str], None]


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep will run. Nothing is None: `resolve` has decided every default."""

    name: str
    task: Task
    config: SweepConfig
    """The settings in the form that the sweep's folder keeps."""
    storage: str
    data_dir: Path
    options: DataOptions
    """How the data are read."""
    loader: str
    budgets: Mapping[str, int]
    """Trials of the whole sweep, by unlearner; ENDLESS of each while time alone ends it."""
    objective: Objective
    sampler: str
    seed: int
    cpus: int
    """CPUs, and torch threads, of a trial."""
    gpus: float
    """GPUs of a trial; 0 for a trial on CPUs."""
    references: int
    """Models retrained without the forget set, for comparison."""
    concurrent: int
    """Trials at a time."""
    trial_seconds: float
    """Seconds after which a trial is given up; infinite if there is no limit."""
    cost_limit: float
    address: str
    optuna_storage: str
    """URL of a database; empty if there is none."""
    confirms: str
    """The sweep whose front is run again; empty if there is none."""
    given: Mapping[str, list[dict[str, Any]]]
    """The hyper-parameters of each trial of a sweep that confirms another, by unlearner."""
    metrics: tuple[str, ...] = ()
    """Metrics on request."""
    shadows: int = 0
    """Shadow models for them; 0 if none needs any."""
    keep_shadows: bool = False
    """Whether the weights of these are kept."""
    measure: str = SweepConfig.measure

    @property
    def private(self) -> bool:
        """Whether the Ray cluster is this driver's own."""
        return self.address == LOCAL

    def worker_settings(self, data: str) -> WorkerSettings:
        """Return what every worker is told; `data` is the fingerprint of the data set."""
        return WorkerSettings(
            sweep=self.name,
            task=self.task,
            storage=self.storage,
            data_dir=self.data_dir,
            options=self.options,
            loader=self.loader,
            cpus=self.cpus,
            gpus=self.gpus,
            objective_columns=self.objective.columns + ((KEY,) if self.config.log else ()),
            trial_seconds=None if self.trial_seconds == math.inf else self.trial_seconds,
            confirms=self.confirms or None,
            references=self.references,
            data=data,
            needs=list_trained(list_needs(self.budgets)),
            metrics=self.metrics,
            deterministic=self.config.deterministic,
            shadows=self.shadows,
            measure=self.measure,
        )


def make_task(config: SweepConfig, device: str = "cpu") -> Task:
    """Make the task of a sweep, with a calibration split if it asks for one or a method of it needs one.

    All its trials then have the same halves. Raises InvalidValue, which lists valid names.
    """
    needing = list_needing(config.unlearners or DEFAULT_UNLEARNERS, CALIBRATION)
    return Task.named(
        config.task or DEFAULT_TASK,
        config.model,
        config.seed,
        device,
        calibration=config.calibration or bool(needing),
        recipe=config.recipe,
        original=make_given(config.original, config.original_hash),
    ).whole()


def make_given(file: Path | None, key: str | None) -> GivenOriginal | None:
    """Return the original model that is given; None if there is none, or its weights have not been read yet."""
    return GivenOriginal(key, str(file)) if file is not None and key is not None else None


def resolve(config: SweepConfig, name: str, resources: Resources, say: Say) -> SweepPlan:
    """Decide everything that depends on the cluster, and return the plan of sweep `name`.

    `say` is given a notice where a decision may surprise. Raises InvalidValue if no node of a fixed
    cluster holds a single trial.
    """
    gpus = gpus_of_a_trial(config, resources)
    if config.address != LOCAL and config.gpus_per_trial is None and not gpus:
        say("NOTICE: no node has a GPU now, so trials get none; --gpus-per-trial .25 asks for them")
    if config.deterministic:  # also where the store alone said so
        config = dataclasses.replace(config, max_concurrent=1)
        check_deterministic(config)
    concurrent = _trials_at_a_time(config, resources, gpus, say)
    device = "cuda" if gpus else "cpu"
    task = make_task(config, device)
    case = task.dataset, device
    per_slot = DEFAULT_TRIALS_PER_SLOT.get(case, DEFAULT_TRIALS)
    references = config.references or DEFAULT_REFERENCES_BY_TASK.get(case, DEFAULT_REFERENCES)
    trials = min(DEFAULT_TRIALS, max(1, int(per_slot * concurrent)))
    decided = dataclasses.replace(
        config,
        name=name,
        task=task.name,
        model=task.model,
        gpus_per_trial=gpus,
        trials=config.trials or (None if config.budget else trials),
        unlearners=config.unlearners or DEFAULT_UNLEARNERS,
        max_concurrent=concurrent,
        references=references,
        calibration=task.calibration,
    )
    _warn_of_random_search(decided.sampler, decided.trials or ENDLESS, say)
    return _lay_out(decided, name, task, gpus=gpus, references=references, concurrent=concurrent)


def _lay_out(
    config: SweepConfig, name: str, task: Task, *, gpus: float, references: int, concurrent: int
) -> SweepPlan:
    """Return the plan that decided settings make."""
    config, trials_of_each = _count_trials(config)
    return SweepPlan(
        name=name,
        task=task,
        config=config,
        storage=config.storage,
        data_dir=(config.data_dir or DEFAULT_DATA_DIR).absolute(),
        options=config.data_options,
        loader=config.loader,
        budgets=trials_of_each,
        objective=objective_named(config.aim),
        sampler=config.sampler,
        seed=config.seed,
        cpus=config.cpus_per_trial,
        gpus=gpus,
        references=references,
        concurrent=concurrent,
        trial_seconds=config.trial_seconds or math.inf,
        cost_limit=config.cost_limit,
        address=config.address,
        optuna_storage=config.optuna_storage or "",
        confirms=config.confirms or "",
        given=config.given or {},
        metrics=choose_metrics(config.metrics),
        shadows=config.shadows if names_shadows(config.metrics) else 0,
        keep_shadows=config.keep_shadows,
        measure=config.measure,
    )


def _count_trials(config: SweepConfig) -> tuple[SweepConfig, dict[str, int]]:
    """Return the settings that keep the trials of each method, or when the time began to count; and these trials."""
    counts = budgets(config)
    if config.budget is None:
        return dataclasses.replace(config, budgets=counts), counts
    if config.granted_at is None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        return dataclasses.replace(config, granted_at=now, budgets=None), counts
    return config, counts


def _trials_at_a_time(config: SweepConfig, resources: Resources, gpus: float, say: Say) -> int:
    """Return the number that was asked for, or as many as the nodes hold now.

    A cluster may add nodes for a number that was asked for; this machine holds what it holds.
    """
    slots = resources.count_slots(config.cpus_per_trial, gpus)
    concurrent = config.max_concurrent or slots
    if config.address == LOCAL and 0 < slots < concurrent:
        say(f"NOTICE: this machine holds {slots} trials at a time, not {concurrent}")
    if config.address == LOCAL:
        concurrent = min(concurrent, slots)
    if concurrent < 1:
        nodes = ", ".join(f"{c} CPUs and {g} GPUs" for c, g in sorted(set(resources.nodes)))
        raise InvalidValue(
            f"no node holds a trial of {config.cpus_per_trial} CPUs and {gpus:g} GPUs: the nodes "
            f"have {nodes}; of a cluster that adds nodes, ask by --gpus-per-trial and --max-concurrent"
        )
    return concurrent


def _warn_of_random_search(sampler: str, trials: int, say: Say) -> None:
    """Say so if the sampler never learns from what it saw: it is random search under another name."""
    at_first = RANDOM_AT_FIRST.get(sampler, 0)
    if trials <= at_first:
        say(
            f"NOTICE: {sampler} draws the first {at_first} trials of a method at random, and "
            f"there are {trials}: this is random search"
        )


def gpus_of_a_trial(config: SweepConfig, resources: Resources) -> float:
    """Return what was asked for, or else a share of a GPU if there is any."""
    if config.gpus_per_trial is not None:
        return config.gpus_per_trial
    return DEFAULT_GPU_SHARE if resources.gpus else 0.0


def getting_ready(config: SweepConfig) -> Mapping[str, str]:
    """Return the environment in which a private cluster prepares for the trials while it starts."""
    if config.address != LOCAL:
        return COLD
    machine = count_local_resources()
    slots = machine.count_slots(config.cpus_per_trial, gpus_of_a_trial(config, machine))
    return warm_environment(min(slots, config.max_concurrent or slots), config.cpus_per_trial)
