"""run_sweep: from settings to a Pareto front, surviving any kill."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator import cluster
from orchestrator.cluster import LOCAL
from orchestrator.config import SweepConfig
from orchestrator.crashed import crashed_rows
from orchestrator.data import check_same_data, with_task
from orchestrator.deadline import GRACE_SECONDS, overdue
from orchestrator.early_stopping import Limits
from orchestrator.interrupts import Interrupts
from orchestrator.objectives import STEERING, objective_named, steers_on_test
from orchestrator.plan import adopted, getting_ready, named, store_once, with_defaults
from orchestrator.rows import retrain_seconds
from orchestrator.store import finished_trials
from orchestrator.view import View
from tasks.datasets.sources import DEFAULT_DATA_DIR
from tasks.search_space import InvalidValue
from tasks.task import Task

Row = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a sweep ended."""

    config: SweepConfig
    complete: int
    failed: int


def run_sweep(config: SweepConfig, view: View) -> Outcome:
    """Run a sweep to its end, or go on with it if its name exists with the same configuration.

    Raises InvalidValue or DatasetNotFound for bad input, before anything is run.
    """
    from orchestrator.study_storage import open_storage

    config = with_task(adopted(config.checked()), view)
    unsteady = steers_on_test(objective_named(config.objective))
    if unsteady:
        view.say(
            f"NOTICE: this objective optimises {', '.join(unsteady)} on the test half: what it "
            "reports there flatters. The validation_… columns keep the test half unseen."
        )
    with named(config, view) as (config, own):
        config = adopted(config)  # another driver may have begun it, and ended, before the claim
        studies = open_storage(own.root, config.optuna_storage)
        with cluster.connected(config.address, getting_ready(config)) as resources:
            config = with_defaults(config, resources, view.say)
            store_once(config, own)
            return _Run(config, studies, resources, view).to_the_end()


class _Run:
    """One driver's stretch of a sweep."""

    def __init__(
        self, config: SweepConfig, storage: Any, resources: cluster.Resources, view: View
    ) -> None:
        from orchestrator.worker import WorkerSettings

        assert config.task is not None
        assert config.name is not None
        self._config, self._storage, self._view = config, storage, view
        self._resources = resources
        self._objective = objective_named(config.objective)
        self._retrained: Row = {}
        self._deaths: Any = None
        self._settings = WorkerSettings(
            sweep=config.name,
            task=Task.named(config.task, config.model, config.seed),
            storage=config.storage,
            data_dir=(config.data_dir or DEFAULT_DATA_DIR).absolute(),
            loader=config.loader,
            cpus=config.cpus_per_trial,
            gpus=config.gpus_per_trial or 0.0,
            objective_metrics=self._objective.metrics,
            trial_seconds=config.trial_seconds,
        )

    def to_the_end(self) -> Outcome:
        """Baselines, then the search; returns the counts of the whole sweep."""
        from orchestrator.budget import trials_left
        from orchestrator.prepare import Preparation
        from orchestrator.progress import Progress

        config, view = self._config, self._view
        finished = self._finished()
        check_same_data(self._settings, finished)
        studies = self._studies()
        again = [trial for study in studies for trial in study.recover(finished)]
        self._check_known(finished, studies)
        left = trials_left(studies, config.trials or 0, finished)
        total = sum(left.values()) + len(finished)
        preparation = Preparation(self._settings, self._resources, calibrate=any(left.values()))
        # Only now, and meanwhile: this imports Ray Tune.
        from orchestrator.deaths import Deaths
        from orchestrator.search import StudySearch

        self._deaths = Deaths()
        search = StudySearch(studies, left, again, self._close_crashed)
        view.say(f"sweep {config.name}: {config.task}, model {config.model}, {total} trials")
        if finished or again:
            view.say(f"going on: {len(finished)} trials are finished, {len(again)} were cut short")
        self._retrained = preparation.retrained(config.max_concurrent or 1, left, view)
        # One for all trials, though the nodes may differ: they start from the same original model.
        self._settings = dataclasses.replace(self._settings, dtype=self._retrained["dtype"])
        progress = Progress(
            self._objective, total, retrain_seconds(self._retrained, config.cpus_per_trial)
        )
        progress.resume(list(finished.values()))
        if search.left:
            self._search(search, progress)
        view.update(progress, force=True)
        return Outcome(config, progress.done, progress.failed)

    def _check_known(self, finished: Mapping[str, Any], studies: Sequence[Any]) -> None:
        """New trials would take the names of finished ones if the studies had been lost."""
        known = {trial_id for study in studies for trial_id in study.trial_ids}
        unknown = sorted(set(finished) - known)
        if unknown:
            raise InvalidValue(
                f"the studies of sweep {self._settings.sweep!r} do not know its finished trial "
                f"{unknown[0]}: give back its studies.journal (or --optuna-storage), or choose "
                "another --name"
            )

    def _finished(self) -> dict[str, list[Row]]:
        rows = finished_trials(self._config.storage, self._settings.sweep)
        return {k: v for k, v in rows.items() if v[-1]["role"] == "trial"}

    def _studies(self) -> list[Any]:
        from orchestrator.studies import UnlearnerStudy

        config = self._config
        return [
            UnlearnerStudy(
                self._storage,
                self._settings.sweep,
                name,
                self._objective,
                config.sampler,
                config.seed,
            )
            for name in config.unlearners
        ]

    def _search(self, search: Any, progress: Any) -> None:
        from ray import tune

        from orchestrator.amended_tune import amended
        from orchestrator.callback import ProgressCallback
        from orchestrator.deaths import MAX_DEATHS
        from orchestrator.scheduler import InOrder
        from orchestrator.trial import UnlearningTrial

        settings = self._settings
        trainable = tune.with_resources(
            tune.with_parameters(
                UnlearningTrial,
                settings=settings,
                task_key=self._retrained["task_key"],
                limits=Limits(
                    self._config.utility_floor * self._retrained[STEERING[0]],
                    self._config.cost_limit,
                ),
            ),
            {"cpu": settings.cpus, "gpu": settings.gpus},
        )
        interrupts = Interrupts()
        search.told = progress.finish
        callback = ProgressCallback(
            progress,
            self._view,
            lambda: len(search.running),
            (interrupts.check, search.check),
            settings.trial_seconds and settings.trial_seconds + GRACE_SECONDS,
            self._close_overdue,
        )
        with tempfile.TemporaryDirectory(prefix="sweep-") as scratch, self._view.running():
            tuner = tune.Tuner(
                trainable,
                tune_config=tune.TuneConfig(
                    search_alg=search,
                    scheduler=InOrder(),
                    num_samples=search.left,
                    max_concurrent_trials=self._config.max_concurrent,
                    reuse_actors=True,
                ),
                run_config=tune.RunConfig(
                    storage_path=scratch,
                    callbacks=[callback],
                    verbose=0,
                    failure_config=tune.FailureConfig(max_failures=MAX_DEATHS),
                    # `scratch` is this machine's alone, and a trial that is cut short starts anew.
                    checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                ),
            )
            private = self._config.address == LOCAL
            with interrupts.deferred(), amended(self._deaths, private=private):
                tuner.fit()

    def _close_crashed(self, proposed: Mapping[str, Any]) -> list[Row]:
        return self._closed(proposed, self._deaths.why_given_up(proposed["trial_id"]))

    def _close_overdue(self, proposed: Mapping[str, Any]) -> None:
        """Its worker died without a row: it hung in what no thread of Python can interrupt."""
        if self._deaths.counted:
            self._closed(proposed, overdue(self._config.trial_seconds))

    def _closed(self, proposed: Mapping[str, Any], error: str) -> list[Row]:
        return crashed_rows(self._settings, self._retrained["task_key"], proposed, error)
