"""run_sweep: from settings to a Pareto front, surviving any kill."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from orchestrator.cluster.connection import connect_ray
from orchestrator.cluster.resources import Resources
from orchestrator.config import LOCAL, SweepConfig
from orchestrator.reporting.observer import Observer
from orchestrator.results.noise import explain_what_is_to_forget, find_noise_floor
from orchestrator.results.objectives import objective_named, steers_on_test
from orchestrator.results.store import read_finished_trials, set_file_aside
from orchestrator.sweeps.confirm import complete_repeat
from orchestrator.sweeps.data_check import check_same_data, choose_task
from orchestrator.sweeps.folder import (
    CONFIG,
    hold_named_sweep,
    read_config,
    store_config,
    store_end,
)
from orchestrator.sweeps.plan import SweepPlan, adopt_stored, getting_ready, resolve
from orchestrator.sweeps.stored.allocated import make_allocation
from orchestrator.sweeps.stored.ended import Outcome, find_ended_rows, tell_ended
from orchestrator.sweeps.stored.resumed import resumable
from orchestrator.sweeps.stored.sealed_config import check_own_rows
from orchestrator.sweeps.stored.shown_studies import show_studies
from orchestrator.sweeps.stored.spent_time import measure_time_left
from orchestrator.sweeps.stored.warm_start import add_warm_points
from tasks.roles import RETRAINED
from tasks.storage.base import Storage

if TYPE_CHECKING:
    from orchestrator.search.view import StudyView
    from tasks.datasets.dataset import Dataset

Row = dict[str, Any]


def run_sweep(config: SweepConfig, observer: Observer) -> Outcome:
    """Run a sweep to its end, or go on with it if its name exists with the same configuration.

    Raises InputError for bad input, before anything is run.
    """
    started = time.monotonic()
    from orchestrator.search.database_url import remove_password
    from orchestrator.search.view import open_view

    config = add_warm_points(adopt_stored(complete_repeat(config.validate())))
    ended = find_ended_rows(config)
    if ended is None:  # else nothing runs: neither the data nor Ray are needed
        config = choose_task(config, observer.say)
    _warn_of_test_data(config, observer)
    with hold_named_sweep(config, observer.say) as (name, own):
        # Another driver may have begun this sweep, and ended, before the claim.
        config = adopt_stored(replace(config, name=name))
        url = config.optuna_storage
        _say_whom_to_ask(config, observer, connects=ended is None)
        known = remove_password(url) == _url_before(config, own)
        board = open_view(name, own.folder, url, is_own=known)
        if ended is not None:
            return tell_ended(config, ended, board, observer)
        with connect_ray(config.address, getting_ready(config)) as resources:
            plan = resolve(config, name, resources, observer.say)
            with resumable(plan.config):
                finished, data = _read_finished(plan, observer.say)
            # More trials are stored now that nothing is wrong with the sweep.
            store_config(plan.config, own)
            with resumable(plan.config):
                ran = _Run(plan, board, resources, observer, started)
                outcome, over = ran.to_the_end(finished, data)
                if over is not None:
                    store_end(plan.config, over, own)
                return outcome


def _url_before(config: SweepConfig, own: Storage) -> str | None:
    """Return the database that showed this sweep before, if it has begun and one did."""
    if not own.read(CONFIG):
        return None
    return read_config(str(config.name), config.storage).optuna_storage


def _say_whom_to_ask(config: SweepConfig, observer: Observer, *, connects: bool) -> None:
    """Name the database and the cluster before they are connected to: a store may have named them."""
    from orchestrator.search.database_url import hide_password

    if config.optuna_storage is not None:
        observer.say(f"the studies are shown in {hide_password(config.optuna_storage)}")
    if config.address != LOCAL and connects:
        observer.say(f"connecting to the Ray cluster at {config.address}")


def _warn_of_test_data(config: SweepConfig, observer: Observer) -> None:
    unsteady = steers_on_test(objective_named(config.aim))
    if unsteady:
        observer.say(
            f"NOTICE: this objective optimises {', '.join(unsteady)} on the test half: what it "
            "reports there flatters. The validation_… columns keep the test half unseen."
        )


class _Run:
    """One driver's stretch of a sweep."""

    def __init__(
        self,
        plan: SweepPlan,
        board: StudyView | None,
        resources: Resources,
        observer: Observer,
        started: float,
    ) -> None:
        """`started` is when this driver began, by the monotonic clock."""
        self._plan, self._board, self._observer = plan, board, observer
        self._resources, self._started = resources, started

    def to_the_end(
        self, finished: Mapping[str, list[Row]], data: Dataset
    ) -> tuple[Outcome, dict[str, int] | None]:
        """Train the models, then search; returns the counts of the whole sweep.

        Beside them stand the trials of each method, if a budget of time is over.
        """
        from orchestrator.reporting.progress import Progress
        from orchestrator.sweeps.budget import is_open, trials_left
        from orchestrator.sweeps.preparation import Preparation

        plan, observer = self._plan, self._observer
        settings = plan.worker_settings(data.fingerprint)
        left = trials_left(plan.config, finished)
        total = None if is_open(plan.config) else sum(left.values()) + len(finished)
        ends_at = self._find_end(finished)
        preparation = Preparation(settings, self._resources, calibrate=any(left.values()))
        # Only now, while that process starts: both import Ray Tune.
        from orchestrator.execution.ray_patches import check_ray
        from orchestrator.execution.time_limit import TimeLimit
        from orchestrator.execution.tuning import Tuning

        check_ray(observer.say)
        self._announce(data, total, len(finished))
        studies = show_studies(plan.config, list(finished.values()), self._board, observer.say)
        models = preparation.wait_for_models(
            plan.concurrent, left, observer, plan.config.set, ends_at
        )
        retrained = models[RETRAINED]
        # One dtype for all trials, though the nodes may differ: they start from the same original model.
        settings = replace(settings, dtype=retrained["dtype"])
        floor = find_noise_floor(models.values())
        if floor is not None:
            observer.say(explain_what_is_to_forget(floor))
        progress = Progress(plan.objective, total, floor, preparation.search_seconds, ends_at)
        progress.resume(list(finished.values()))
        observer.started(progress)
        allocation = make_allocation(plan.config, list(finished.values()), floor)
        if ends_at is not None:
            seconds = plan.config.budget_seconds or 0.0
            allocation = TimeLimit(allocation, ends_at, seconds, preparation.trial_seconds)
        try:
            if any(left.values()):
                Tuning(plan.config, settings, retrained, allocation).run(
                    studies, left, progress, observer
                )
            if ends_at is not None:
                progress.close()
        finally:
            observer.ended(progress)
        over = None
        if ends_at is not None:
            over = {study.unlearner: study.count_ended() for study in studies}
        return Outcome(plan.config, progress.done, progress.failed), over

    def _announce(self, data: Dataset, total: int | None, finished: int) -> None:
        """Say what runs: so many trials in all, or as many as fit into the budget, of which some are finished."""
        plan, observer = self._plan, self._observer
        what = f"{plan.task.name} ({data.source}), model {plan.task.model}"
        many = plan.config.budget if total is None else f"{total} trials"
        observer.say(f"sweep {plan.name}: {what}, {many}")
        if plan.metrics:
            observer.say(
                f"NOTICE: {len(plan.metrics)} metrics on request, of each model and each trial's last point; "
                "the estimate is without them"
            )
        if finished:
            observer.say(f"going on: {finished} trials are finished")

    def _find_end(self, finished: Mapping[str, list[Row]]) -> float | None:
        """Return when the budget of time is over, by the monotonic clock; None if there is none."""
        if self._plan.config.budget is None:
            return None
        last = (rows[-1] for rows in finished.values())
        return self._started + measure_time_left(self._plan.config, last)


def _read_finished(
    plan: SweepPlan, say: Callable[[str], None]
) -> tuple[dict[str, list[Row]], Dataset]:
    """Return the rows of each finished trial, and the data set; set damaged files of rows aside.

    Raises InvalidValue if the rows are of another task or of other data.
    """

    def set_aside(file: str, error: Exception) -> None:
        say(f"NOTICE: {set_file_aside(plan.storage, file, error)}")

    rows = read_finished_trials(plan.storage, plan.name, set_aside)
    check_own_rows(plan.config, (trial[-1] for trial in rows.values()))
    finished = {k: v for k, v in rows.items() if v[-1]["role"] == "trial"}
    return finished, check_same_data(plan, finished)
