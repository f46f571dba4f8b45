"""How long the table will take: measured on the real models with a few training steps, before anything runs."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

from orchestrator.cluster.resources import count_local_resources
from orchestrator.config import SweepConfig
from orchestrator.sweeps.plan import resolve
from orchestrator.sweeps.stages.estimate import seconds_per_trial, sweep_seconds, training_seconds
from orchestrator.worker.baselines import Speed

STARTING_SECONDS = 20.0
"""Of a sweep, until its first trial runs: Ray, and a process for each core."""


@dataclass(frozen=True)
class Estimate:
    """Expected seconds of the stages of one task."""

    search: float
    """The sweep with its models."""
    repeat: float
    """One fresh seed with its models."""


def estimate_stages(config: SweepConfig) -> Estimate:
    """Estimate the stages of a task in a process of its own, which ends and gives its memory back.

    Raises the errors of bad input as the sweep would.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_measure, config).result()


def _measure(config: SweepConfig) -> Estimate:
    from orchestrator.worker.baselines import measure_speed
    from orchestrator.worker.settings import get_workbench

    plan = resolve(config, config.name or "", count_local_resources(), lambda text: None)
    data = plan.task.load(plan.data_dir, plan.options)
    settings = plan.worker_settings(data.fingerprint)
    bench = get_workbench(settings, settings.cpus)
    speed = measure_speed(bench, list(settings.trained))
    is_missing = [not bench.is_cached(role) for role in settings.trained]
    left = _only(speed, is_missing)
    once = sum(seconds_per_trial(name, speed) for name in plan.budgets) / plan.concurrent
    return Estimate(
        search=STARTING_SECONDS
        + training_seconds(left, plan.concurrent)
        + sweep_seconds(plan.budgets, speed, plan.concurrent),
        repeat=STARTING_SECONDS + training_seconds(speed, plan.concurrent) + once,
    )


def _only(speed: Speed, is_missing: list[bool]) -> Speed:
    """Return the speed with the trainings of missing models alone."""
    pairs = zip(speed.trainings, is_missing, strict=True)
    return replace(speed, trainings=tuple(seconds for seconds, missing in pairs if missing))
