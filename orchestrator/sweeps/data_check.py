"""Checks of a sweep's data: available, as requested, and the same as before."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.config import (
    DEFAULT_UNLEARNERS,
    FALLBACK_TASK,
    LOCAL,
    SweepConfig,
    check_has_model,
)
from orchestrator.results.objectives import find_undefined, objective_named
from orchestrator.search.narrowing import keep_assignments
from orchestrator.sweeps.plan import SweepPlan, make_task
from tasks.datasets.halves import held_out_halves
from tasks.datasets.loaders import check_loader
from tasks.datasets.sources import DEFAULT_DATA_DIR, check_data_dir
from tasks.errors import DatasetNotFound, InvalidValue
from tasks.forget_sets.traits import LACKING
from tasks.needs import CALIBRATION, list_replaying
from tasks.sequences.suitability import check_method, find_traits
from tasks.storage.roots import open_root
from tasks.task import Task
from tasks.unlearners import list_needing, unlearner_class

if TYPE_CHECKING:
    from tasks.datasets.dataset import Dataset
    from tasks.unlearners.base import Unlearner


def choose_task(
    config: SweepConfig, say: Callable[[str], None], *, keep_original: bool = True
) -> SweepConfig:
    """Return the configuration with a task whose data are available.

    An original model that is given is kept under the storage root, unless `keep_original` says no.

    Without a requested task, the digits are the fallback, with a notice. Raises DatasetNotFound if
    the data of a requested task are missing. Raises InvalidValue for an absent folder, and for
    settings that do not fit the data: an unknown class or share, a model for larger images, an
    objective that this task never measures.
    """
    check_data_dir(config.data_dir)
    wanted = make_task(config)
    try:
        dataset = wanted.load(config.data_dir, config.data_options)
    except DatasetNotFound as error:
        if config.task is not None:
            raise
        say(f"NOTICE: {error}.")
        say(f"NOTICE: running the embedded task {FALLBACK_TASK} instead; rows are labelled so.")
        wanted = make_task(dataclasses.replace(config, task=FALLBACK_TASK))
        dataset = wanted.load()
    check_loader(config.loader, dataset)
    traits = find_traits(wanted, dataset)
    for name, lacking in find_undefined(objective_named(config.aim), traits).items():
        raise InvalidValue(
            f"--objective or --require names {name}, which has no value in {wanted.name}: {LACKING[lacking]}"
        )
    if wanted.joint:
        config = _without_unfit_methods(config, wanted, dataset, say)
    elif "classes" not in traits:
        why = f"only for whole classes, and {wanted.name} forgets none"
        config = _leave_out(config, lambda cls: cls.class_forgetting, why, say)
    if _lacks_convolutions(wanted, dataset):
        why = f"they change convolutions, and {wanted.model} has none that learns"
        config = _leave_out(config, lambda cls: cls.changes_convolutions, why, say)
    if config.original is not None:
        why = "they need the training of the original, which --original does not have"
        config = _leave_out(config, lambda cls: bool(list_replaying(cls.needs)), why, say)
    config = dataclasses.replace(config, task=wanted.name, data_dir=_folder(config))
    config = _with_calibration(config, dataset, say)
    return _with_original(config, wanted, dataset, say) if keep_original else config


def _lacks_convolutions(task: Task, dataset: Dataset) -> bool:
    """Tell whether a model of the user's own has no convolution that learns; all of MODELS have one."""
    from tasks.models import MODELS

    if MODELS.split(task.model)[0] in MODELS:
        return False
    import torch

    from tasks.models import build_model
    from tasks.unlearners.steps.blocks import convolutions

    return not convolutions(build_model(task.model, dataset, torch.device("cpu")))


def check_same_data(plan: SweepPlan, finished: Mapping[str, Sequence[Any]]) -> Dataset:
    """Return the data set; raise InvalidValue if finished trials ran on other data."""
    dataset = plan.task.load(plan.data_dir, plan.options)
    before = {row["data"] for rows in finished.values() for row in rows if row["data"]}
    if before and before != {dataset.fingerprint}:
        raise InvalidValue(
            f"the data in {plan.data_dir} (fingerprint {dataset.fingerprint}) are not those of the finished "
            f"trials of sweep {plan.name!r} ({', '.join(sorted(before))}): restore its data, "
            "or choose another --name"
        )
    return dataset


def _with_original(
    config: SweepConfig, task: Task, dataset: Dataset, say: Callable[[str], None]
) -> SweepConfig:
    """Check the original model if it is given, keep it under the storage root, and note which it is."""
    if config.original is None:
        return config
    check_has_model(config.original, config.model)
    from tasks.models.given_original import adopt_original

    open_root(config.storage).check()
    artifacts, known = f"{config.storage}/artifacts", config.original_hash
    given = adopt_original(task, dataset, config.original, artifacts, say, known).original
    assert given is not None
    return dataclasses.replace(config, original_hash=given.key)


def _leave_out(
    config: SweepConfig,
    unfit: Callable[[type[Unlearner]], bool],
    why: str,
    say: Callable[[str], None],
) -> SweepConfig:
    """Leave out the methods that are unfit; raise InvalidValue, which says why, if no other is left."""
    asked = config.unlearners or DEFAULT_UNLEARNERS
    out = [name for name in asked if unfit(unlearner_class(name))]
    if not out:
        return config
    kept = tuple(name for name in asked if name not in out)
    why = f"{', '.join(out)}: {why}"
    if not kept:
        raise InvalidValue(why)
    say(f"NOTICE: left out {why}")
    return _with_methods(config, kept)


def _with_methods(config: SweepConfig, kept: tuple[str, ...]) -> SweepConfig:
    """Return the settings with these methods alone, and with what is set of their hyper-parameters."""
    out = [n for n in config.unlearners or DEFAULT_UNLEARNERS if n not in kept]
    return dataclasses.replace(
        config,
        unlearners=kept,
        set=keep_assignments(config.set, kept),
        left_out=(*config.left_out, *out),
    )


def _without_unfit_methods(
    config: SweepConfig, task: Task, dataset: Dataset, say: Callable[[str], None]
) -> SweepConfig:
    """Leave out the methods that cannot follow a sequence; raise InvalidValue if no other is left."""
    kept, reasons = [], []
    for name in config.unlearners or DEFAULT_UNLEARNERS:
        try:
            check_method(task, dataset, unlearner_class(name))
            kept.append(name)
        except InvalidValue as error:
            reasons.append(str(error))
    if not kept:
        raise InvalidValue("; ".join(reasons))
    for reason in reasons:
        say(f"NOTICE: left out: {reason}")
    return _with_methods(config, tuple(kept)) if reasons else config


def _with_calibration(
    config: SweepConfig, dataset: Dataset, say: Callable[[str], None]
) -> SweepConfig:
    """Decide whether the sweep keeps a calibration split, and say what that takes from both halves."""
    task = make_task(config)
    if task.calibration:
        needing = list_needing(config.unlearners or DEFAULT_UNLEARNERS, CALIBRATION)
        why = f"for {', '.join(needing)}" if needing else "as asked for"
        say(f"NOTICE: {why}, a calibration split takes {_spell_taken(task, dataset)}")
    return dataclasses.replace(config, calibration=task.calibration)


def _spell_taken(task: Task, dataset: Dataset) -> str:
    labels = task.change(dataset).held_out.labels
    parts, halves = task.cut(labels), held_out_halves(labels, task.seed)
    left = [
        f"{len(part)} instead of {len(half)} images in the {name} half"
        for name, part, half in zip(("validation", "test"), parts, halves, strict=False)
    ]
    return f"{len(parts.calibration)} of {len(labels)} held-out images: {', '.join(left)}"


def _folder(config: SweepConfig) -> Path | None:
    """Return the folder of the data as an absolute path, also for the default folder.

    The reason: a sweep may be resumed from another working directory. A job on a cluster is the
    exception, because Ray deletes the working directory of a job.
    """
    if config.data_dir is None and config.address == LOCAL and DEFAULT_DATA_DIR.is_dir():
        return DEFAULT_DATA_DIR.absolute()
    return config.data_dir
