"""run_sweep: from settings to a Pareto front, surviving any kill."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.cluster.connection import connect_ray
from orchestrator.cluster.last_words import Watcher, open_watcher
from orchestrator.config import LOCAL, SweepConfig
from orchestrator.reporting.logged import add_loggers
from orchestrator.reporting.observer import Observer, Observers
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
from orchestrator.sweeps.plan import SweepPlan, getting_ready, resolve
from orchestrator.sweeps.report.live import ReportPage
from orchestrator.sweeps.stages.search import Search
from orchestrator.sweeps.stored.adopted import adopt_stored
from orchestrator.sweeps.stored.ended import (
    Outcome,
    explain_no_trial,
    find_ended_rows,
    tell_ended,
)
from orchestrator.sweeps.stored.resumed import explain_resume, resumable
from orchestrator.sweeps.stored.sealed_config import check_own_rows
from orchestrator.sweeps.stored.warm_start import add_warm_points
from tasks.errors import ClusterFault
from tasks.storage.base import Storage

if TYPE_CHECKING:
    from orchestrator.search.view import StudyView
    from tasks.datasets.dataset import Dataset

Row = dict[str, Any]


def run_sweep(config: SweepConfig, observer: Observer, page: Path | None = None) -> Outcome:
    """Run a sweep to its end, or go on with it if its name exists with the same configuration.

    `page` is a file that its report is written to as trials end; see `check_page`.
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
        observer = add_loggers(observer, config.log, config.storage, name)
        if page is not None:
            observer = Observers([observer, ReportPage(config, page, observer)])
        url = config.optuna_storage
        _say_whom_to_ask(config, observer, connects=ended is None)
        known = remove_password(url) == _url_before(config, own)
        board = open_view(name, own.folder, url, is_own=known)
        if ended is not None:
            return tell_ended(config, ended, board, observer)
        with open_watcher() as watcher:
            try:
                return _run_on_ray(config, name, own, board, watcher, observer, started)
            except (KeyboardInterrupt, ClusterFault):
                config = adopt_stored(replace(config, name=name))
                ended = find_ended_rows(config)
                if ended is None:
                    raise
                # Whatever came, it came too late: nothing is left to run.
                return tell_ended(config, ended, board, observer)


def _run_on_ray(
    config: SweepConfig,
    name: str,
    own: Storage,
    board: StudyView | None,
    watcher: Watcher,
    observer: Observer,
    started: float,
) -> Outcome:
    """Connect to Ray and run what is left of the sweep; see `run_sweep`."""
    with connect_ray(config.address, getting_ready(config), watcher) as resources:
        plan = resolve(config, name, resources, observer.say)
        with resumable(plan.config):
            finished, data = _read_finished(plan, observer.say)
        # More trials are stored now that nothing is wrong with the sweep.
        store_config(plan.config, own)
        watcher.say(f"orchestrator: killed, or ended by Ray; {explain_resume(plan.config)}")
        with resumable(plan.config):
            search = Search(plan, finished, data, started)
            progress, studies = search.run(board, resources, observer)
            if plan.config.budget is not None:
                ended = {study.unlearner: study.count_ended() for study in studies}
                store_end(plan.config, ended, own)
                if not any(ended.values()):
                    observer.say(explain_no_trial(plan.config))
            return Outcome(plan.config, progress.done, progress.failed)


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
    if connects:
        cluster = f"connecting to the Ray cluster at {config.address}"
        observer.say("starting Ray" if config.address == LOCAL else cluster)


def _warn_of_test_data(config: SweepConfig, observer: Observer) -> None:
    unsteady = steers_on_test(objective_named(config.aim))
    if unsteady:
        observer.say(
            f"NOTICE: this objective optimises {', '.join(unsteady)} on the test half: what it "
            "reports there flatters. The validation_… columns keep the test half unseen."
        )


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
