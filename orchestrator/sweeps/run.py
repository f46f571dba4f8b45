"""run_sweep: from settings to a Pareto front, surviving any kill."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from orchestrator.cluster import connection as cluster
from orchestrator.config import SweepConfig
from orchestrator.reporting.terminal import View
from orchestrator.results.objectives import objective_named, steers_on_test
from orchestrator.results.rows import retrain_seconds
from orchestrator.results.store import finished_trials
from orchestrator.sweeps.confirm import confirming
from orchestrator.sweeps.data_check import same_data, with_task
from orchestrator.sweeps.defaults import adopted, getting_ready, say_if_random, with_defaults
from orchestrator.sweeps.folder import CONFIG, named, store_once
from tasks.datasets.sources import DEFAULT_DATA_DIR
from tasks.errors import InvalidValue, StorageError, StorageFault
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
    from orchestrator.search.study_storage import check_unused, open_storage

    config = with_task(adopted(confirming(config.checked())), view)
    unsteady = steers_on_test(objective_named(config.objective))
    if unsteady:
        view.say(
            f"NOTICE: this objective optimises {', '.join(unsteady)} on the test half: what it "
            "reports there flatters. The validation_… columns keep the test half unseen."
        )
    with named(config, view) as (config, own):
        config = adopted(config)  # another driver may have begun it, and ended, before the claim
        studies = open_storage(own.root, config.optuna_storage)
        if config.optuna_storage and not own.read(CONFIG):
            check_unused(studies, str(config.name), config.optuna_storage)
        with cluster.connected(config.address, getting_ready(config)) as resources:
            config = with_defaults(config, resources, view.say)
            say_if_random(config, view.say)
            store_once(config, own)
            with resumable(config):
                return _Run(config, studies, resources, view).to_the_end()


@contextmanager
def resumable(config: SweepConfig) -> Iterator[None]:
    """Whatever ends the block too early says how to go on; a bucket that goes away is no bad input."""
    command = f"orchestrator resume {config.name} --storage {shlex.quote(config.storage)}"
    hint = f"finished trials are kept; to go on: {command}"
    try:
        yield
    except (OSError, KeyboardInterrupt) as error:
        error.add_note(hint)
        raise
    except StorageError as error:
        raise StorageFault(f"{error}; {hint}") from error


class _Run:
    """One driver's stretch of a sweep."""

    def __init__(
        self, config: SweepConfig, storage: Any, resources: cluster.Resources, view: View
    ) -> None:
        from orchestrator.worker.settings import WorkerSettings

        assert config.task is not None
        assert config.name is not None
        self._config, self._storage, self._view = config, storage, view
        self._resources = resources
        self._objective = objective_named(config.objective)
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
            confirms=config.confirms,
        )

    def to_the_end(self) -> Outcome:
        """Baselines, then the search; returns the counts of the whole sweep."""
        from orchestrator.reporting.progress import Progress
        from orchestrator.sweeps.budget import trials_left
        from orchestrator.sweeps.preparation import Preparation

        config, view = self._config, self._view
        finished = self._finished()
        data = same_data(self._settings, finished)
        self._settings = dataclasses.replace(self._settings, data=data.fingerprint)
        studies = self._studies()
        again = [trial for study in studies for trial in study.recover(finished)]
        self._check_known(finished, studies)
        left = trials_left(config, finished)
        total = sum(left.values()) + len(finished)
        preparation = Preparation(self._settings, self._resources, calibrate=any(left.values()))
        # Only now, and meanwhile: this imports Ray Tune.
        from orchestrator.execution.tuning import Tuning

        what = f"{config.task} ({data.source}), model {config.model}"
        view.say(f"sweep {config.name}: {what}, {total} trials")
        if finished or again:
            view.say(f"going on: {len(finished)} trials are finished, {len(again)} were cut short")
        retrained = preparation.retrained(config.max_concurrent or 1, left, view)
        # One for all trials, though the nodes may differ: they start from the same original model.
        settings = dataclasses.replace(self._settings, dtype=retrained["dtype"])
        progress = Progress(
            self._objective,
            total,
            retrain_seconds(retrained, settings.cpus, settings.gpus),
            preparation.search_seconds,
        )
        progress.resume(list(finished.values()))
        if any(left.values()):
            Tuning(config, settings, retrained).run(studies, left, again, progress, view)
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
        from orchestrator.search.study import UnlearnerStudy

        config = self._config
        return [
            UnlearnerStudy(
                self._storage,
                self._settings.sweep,
                name,
                self._objective,
                config.sampler,
                config.seed,
                (config.given or {}).get(name),
            )
            for name in config.unlearners
        ]
