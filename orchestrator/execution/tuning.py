"""The search itself: Ray Tune runs what the studies propose, on warm workers, until the budget is spent."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import ray
from ray import tune

from orchestrator.cluster.interrupts import Interrupts
from orchestrator.config import LOCAL, SweepConfig
from orchestrator.execution.callback import ProgressCallback
from orchestrator.execution.pace import keep_pace
from orchestrator.execution.ray_patches import amended, node_of
from orchestrator.execution.ray_speed import Workers
from orchestrator.execution.searcher import StudySearch
from orchestrator.execution.time_limit import TimeIsUp
from orchestrator.execution.worker_deaths import MAX_DEATHS, Deaths, crashed_rows, read_ended
from orchestrator.reporting.observer import Observer
from orchestrator.reporting.progress import Progress
from orchestrator.results.objectives import FrontRule
from orchestrator.results.rows import Row
from orchestrator.results.store import read_finished_trials
from orchestrator.search.allocation import Allocation
from orchestrator.search.study import UnlearnerStudy
from orchestrator.worker.deadline import GRACE_SECONDS, explain_overrun
from orchestrator.worker.early_stopping import Limits
from orchestrator.worker.identity import shared_columns
from orchestrator.worker.known_front import NOTHING, KnownFront
from orchestrator.worker.settings import WorkerSettings
from orchestrator.worker.trainable import UnlearningTrial


class Tuning:
    """One run of Tune over the studies, held against the `retrained` model's row."""

    def __init__(
        self,
        config: SweepConfig,
        settings: WorkerSettings,
        retrained: Row,
        allocation: Allocation,
        rule: FrontRule | None = None,
        finished: Iterable[Sequence[Row]] = (),
    ) -> None:
        """Begin. With a `rule`, points that no front will show are not measured whole.

        The fronts known at first are those of the `finished` trials.
        """
        self._rule = rule
        self._fronts: dict[str, KnownFront] = {}
        if rule is not None:
            for rows in finished:
                name = rows[-1]["unlearner"]
                self._fronts[name] = self._fronts.get(name, NOTHING).join(rows, rule)
        self._allocation = allocation
        self._config, self._settings = config, settings
        self._shared = shared_columns(retrained)
        self._given = {
            "settings": settings,
            "shared": self._shared,
            "limits": Limits(config.cost_limit),
            "rule": rule,
        }
        """What each worker is given."""
        self._deaths, self._interrupts = Deaths(node_of), Interrupts()

    def run(
        self,
        studies: Sequence[UnlearnerStudy],
        left: Mapping[str, int],
        progress: Progress,
        observer: Observer,
    ) -> None:
        """Run the trials that are `left`, by unlearner; trials that run when the time is over are stopped.

        Raises KeyboardInterrupt if a stop was asked for, OSError if the storage cannot be written.
        """
        config = self._config

        def note_end(rows: Sequence[Mapping[str, Any]]) -> None:
            changed = progress.finish(rows)
            observer.trial_finished(rows, progress)
            if changed:
                observer.front_changed(progress)

        search = StudySearch(
            studies,
            left,
            self._shared["task_key"],
            self._close_crashed,
            note_end,
            self._allocation,
            self._rule,
            self._fronts,
            keep_pace(config.max_concurrent),
        )
        scratch_folder = tempfile.TemporaryDirectory(prefix="sweep-", ignore_cleanup_errors=True)
        with scratch_folder as scratch:
            tuner = tune.Tuner(
                self._trainable(),
                tune_config=tune.TuneConfig(
                    search_alg=search,
                    # A trial whose worker died in a call of several gets a second one.
                    num_samples=2 * search.left,
                    max_concurrent_trials=config.max_concurrent,
                    reuse_actors=True,
                ),
                run_config=tune.RunConfig(
                    storage_path=scratch,
                    callbacks=[self._callback(search, progress, observer)],
                    verbose=0,
                    failure_config=tune.FailureConfig(max_failures=MAX_DEATHS),
                    # `scratch` is this machine's alone, and a trial that is cut short starts anew.
                    checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                ),
            )
            private = config.address == LOCAL
            workers = Workers(ray.remote(UnlearningTrial.worker_class), self._given)
            with (
                self._interrupts.deferred(),
                amended(self._deaths, private=private, workers=workers),
                contextlib.suppress(TimeIsUp),
            ):
                tuner.fit()
        if search.running:
            search.take_stored(read_finished_trials(config.storage, self._settings.sweep))

    def _trainable(self) -> Any:
        settings = self._settings
        return tune.with_resources(
            tune.with_parameters(UnlearningTrial, **self._given),
            {"cpu": settings.cpus, "gpu": settings.gpus},
        )

    def _callback(
        self, search: StudySearch, progress: Progress, observer: Observer
    ) -> ProgressCallback:
        limit = self._settings.limit_seconds
        return ProgressCallback(
            progress,
            observer,
            lambda: len(search.running),
            (self._interrupts.check, search.check, self._allocation.check),
            limit and limit + GRACE_SECONDS,
            self._close_overdue,
        )

    def _close_crashed(self, call: Sequence[Mapping[str, Any]]) -> list[list[Row]]:
        if len(call) > 1:
            return read_ended(self._settings, call)
        return [self._closed(call[0], self._deaths.why_given_up(call[0]["trial_id"]))]

    def _close_overdue(self, proposed: Mapping[str, Any]) -> None:
        """Its worker died without a row: it hung in what no thread of Python can interrupt."""
        if self._deaths.counts(proposed["trial_id"]):
            self._closed(proposed, explain_overrun(self._settings.limit_seconds))

    def _closed(self, proposed: Mapping[str, Any], error: str) -> list[Row]:
        return crashed_rows(self._settings, self._shared, proposed, error)
