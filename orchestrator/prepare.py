"""What stands before the search: an estimate, and the two models that trials are held against."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import ray

from orchestrator.baselines import Event, Speed, Training, baselines
from orchestrator.cluster import Resources, WorkerLost, got
from orchestrator.config import SweepConfig
from orchestrator.estimate import spelled, sweep_seconds
from orchestrator.rows import Row
from orchestrator.worker import WorkerSettings

if TYPE_CHECKING:
    from orchestrator.view import View

MAX_DEATHS = 3
"""Times the process that trains and measures the models is started again; a trained one is kept."""


def prepared(
    config: SweepConfig,
    settings: WorkerSettings,
    resources: Resources,
    left: Mapping[str, int],
    view: View,
) -> Row:
    """Train, measure and store the original and the retrained model; returns the latter's row.

    `left` are the trials still to be run, by unlearner, for the estimate. Raises WorkerLost if the
    process that does it dies again and again.
    """
    slots = config.max_concurrent or 1
    present = resources.slots(settings.cpus, settings.gpus)
    if present < slots:
        view.say(
            f"NOTICE: the nodes that are there hold {present} of {slots} trials at a time; "
            "the others wait for nodes that the cluster adds"
        )
    rows: dict[str, Row] = {}
    for event in _events(settings, resources, any(left.values()), view):
        match event:
            case Speed() as speed:
                seconds = sweep_seconds(left, speed, settings.cpus, slots)
                view.say(f"estimated time: {spelled(seconds)}, {slots} trials at a time")
            case Training(what, done, total, spent):
                view.training(what, done, total, spent)
            case rows:
                _say(rows, view)
    return rows["retrained"]


def _events(
    settings: WorkerSettings, resources: Resources, calibrate: bool, view: View
) -> Iterator[Event]:
    """What `baselines` yields on the cluster; from the start again if its process dies."""
    gpus = 1 if settings.gpus else 0
    threads = max(settings.cpus, 1 if gpus else resources.cpus_of_a_node)
    task: Any = ray.remote(baselines).options(
        num_cpus=threads, num_gpus=gpus, max_retries=0, num_returns="streaming"
    )
    for deaths_left in reversed(range(MAX_DEATHS + 1)):
        try:
            for reference in task.remote(settings, threads, calibrate):
                yield got(reference)
            return
        except WorkerLost as error:
            if not deaths_left:
                raise
            view.say(f"NOTICE: {error} while it prepared the two models; it is started again")


def _say(rows: Mapping[str, Row], view: View) -> None:
    for role, row in rows.items():
        view.say(
            f"{role} model: test accuracy on retained classes {row['test_accuracy_retained']:.4f}, "
            f"class-matched MIA {row['mia_class_matched_accuracy']:.3f}"
        )
