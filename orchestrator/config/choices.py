"""Checks of a sweep's settings that are names: of what there is, each in its own form."""

from __future__ import annotations

from typing import Any

from orchestrator.config.checks import check_name, check_requested
from orchestrator.config.defaults import LOCAL, REMOTE
from orchestrator.loggers import open_loggers
from orchestrator.results.objectives import objective_named, read_requirement
from orchestrator.results.recommendation import check_points
from orchestrator.search.allocation import ALLOCATIONS
from orchestrator.search.first.points import FIRST
from orchestrator.search.samplers import SAMPLERS, check_sampler
from orchestrator.worker.settings import MEASURES
from tasks.datasets.loaders import LOADERS
from tasks.errors import InvalidValue
from tasks.registry import one_of
from tasks.unlearners import unlearner_class


def check_choices(settings: Any) -> None:
    """Raise InvalidValue for a name among the `settings` of a sweep that is not one of the valid ones."""
    for limit in settings.require:
        read_requirement(limit)
    objective_named(settings.aim)
    check_requested(settings.metrics, settings.shadows, confirms=settings.confirms is not None)
    if settings.sampler not in SAMPLERS:  # the check imports Optuna
        check_sampler(settings.sampler)
    one_of("loader", settings.loader, LOADERS)
    one_of("--measure", settings.measure, MEASURES)
    one_of("choice of first trials", settings.first, FIRST)
    one_of("allocation", settings.allocation, ALLOCATIONS)
    if check_points(settings.points) != type(settings).points and settings.confirms is None:
        raise InvalidValue(f"--points {settings.points} is for a sweep that --confirms another")
    open_loggers(settings.log)
    for name in settings.unlearners:
        unlearner_class(name)
    if len(dict.fromkeys(settings.unlearners)) < len(settings.unlearners):
        raise InvalidValue("--unlearners names a method twice")
    if settings.address not in (LOCAL, "auto") and not settings.address.startswith(REMOTE):
        raise InvalidValue(
            f"--address {settings.address!r} is not one of: {LOCAL}, auto, {REMOTE}HOST:PORT"
        )
    for name in filter(None, (settings.name, settings.warm_start)):
        check_name(name)
