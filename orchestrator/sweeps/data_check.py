"""The data of a sweep: at hand, what was asked for, and the same as before."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.config import DEFAULT_TASK, FALLBACK_TASK, LOCAL, SweepConfig
from orchestrator.results.objectives import Objective, objective_named, of_forgotten_classes
from orchestrator.sweeps.plan import SweepPlan
from tasks.datasets.loaders import check_loader
from tasks.datasets.sources import DEFAULT_DATA_DIR, check_data_dir
from tasks.errors import DatasetNotFound, InvalidValue
from tasks.forget_sets import forget_mask, forgotten_classes
from tasks.task import Task

if TYPE_CHECKING:
    from tasks.datasets.dataset import Dataset


def choose_task(config: SweepConfig, say: Callable[[str], None]) -> SweepConfig:
    """Return the configuration with a task whose data are at hand.

    Raises DatasetNotFound for a task that was asked for; falls back to the digits, and says so,
    if none was. Raises InvalidValue for what does not fit the data: an unknown class or share, a
    model for larger images, an objective that is never measured; and for a folder that is absent.
    """
    check_data_dir(config.data_dir)
    wanted = Task.named(config.task or DEFAULT_TASK, config.model, config.seed)
    try:
        dataset = wanted.load(config.data_dir)
    except DatasetNotFound as error:
        if config.task is not None:
            raise
        say(f"NOTICE: {error}.")
        say(f"NOTICE: running the embedded task {FALLBACK_TASK} instead; rows are labelled so.")
        wanted = Task.named(FALLBACK_TASK, config.model, config.seed)
        dataset = wanted.load()
    check_loader(config.loader, dataset)
    _check_measured(objective_named(config.objective), wanted, dataset)
    return dataclasses.replace(config, task=wanted.name, data_dir=_folder(config))


def check_same_data(plan: SweepPlan, finished: Mapping[str, Sequence[Any]]) -> Dataset:
    """Return the data set; raises InvalidValue if finished trials were run on others than those there now."""
    dataset = plan.task.load(plan.data_dir)
    before = {row["data"] for rows in finished.values() for row in rows if row["data"]}
    if before and before != {dataset.fingerprint}:
        raise InvalidValue(
            f"the data in {plan.data_dir} (fingerprint {dataset.fingerprint}) are not those of the finished "
            f"trials of sweep {plan.name!r} ({', '.join(sorted(before))}): give it back its "
            "data, or choose another --name"
        )
    return dataset


def _check_measured(objective: Objective, task: Task, dataset: Dataset) -> None:
    never = of_forgotten_classes(objective)
    if never and not forgotten_classes(dataset, forget_mask(dataset, task.forget_set, task.seed)):
        raise InvalidValue(
            f"--objective names {', '.join(never)}, which has no value in {task.name}: no class is "
            "forgotten as a whole there"
        )


def _folder(config: SweepConfig) -> Path | None:
    """The folder of the data, also where the default served: a sweep may be resumed from another.

    That of a cluster's job is its own and short-lived.
    """
    if config.data_dir is None and config.address == LOCAL and DEFAULT_DATA_DIR.is_dir():
        return DEFAULT_DATA_DIR.absolute()
    return config.data_dir
