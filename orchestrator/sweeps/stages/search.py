"""The search of one driver: it waits for the models, then runs the trials that are left."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from orchestrator.cluster.resources import Resources
from orchestrator.reporting.observer import Observer
from orchestrator.results.noise import NoiseFloor, explain_what_is_to_forget, find_noise_floor
from orchestrator.results.objectives import FrontRule
from orchestrator.sweeps.budget import is_open, trials_left
from orchestrator.sweeps.plan import SweepPlan
from orchestrator.sweeps.stored.allocated import make_allocation
from orchestrator.sweeps.stored.shown_studies import show_studies
from orchestrator.sweeps.stored.spent_time import measure_time_left
from orchestrator.worker.settings import NEEDED
from tasks.evaluation import metric_named
from tasks.roles import RETRAINED
from tasks.shadows.limits import list_unhalved

if TYPE_CHECKING:
    from orchestrator.reporting.progress import Progress
    from orchestrator.search.study import UnlearnerStudy
    from orchestrator.search.view import StudyView
    from orchestrator.sweeps.stages.preparation import Preparation
    from tasks.datasets.dataset import Dataset

Row = dict[str, Any]


class Search:
    """What is left of a sweep, for one driver."""

    def __init__(
        self, plan: SweepPlan, finished: Mapping[str, list[Row]], data: Dataset, started: float
    ) -> None:
        """Take the rows of each `finished` trial by its key, and when the driver `started`, by the monotonic clock."""
        self._plan, self._data = plan, data
        self._finished = list(finished.values())
        self._settings = plan.worker_settings(data.fingerprint)
        self._left = trials_left(plan.config, finished)
        self._total = (
            None if is_open(plan.config) else sum(self._left.values()) + len(self._finished)
        )
        self._ends_at: float | None = None
        if plan.config.budget is not None:
            last = (rows[-1] for rows in self._finished)
            self._ends_at = started + measure_time_left(plan.config, last)

    def run(
        self, board: StudyView | None, resources: Resources, observer: Observer
    ) -> tuple[Progress, Sequence[UnlearnerStudy]]:
        """Train the models, then search; return how far the whole sweep is, and its studies.

        Raises KeyboardInterrupt if a stop was asked for, ClusterFault and StorageFault.
        """
        from orchestrator.reporting.progress import Progress
        from orchestrator.sweeps.stages.preparation import Preparation

        plan = self._plan
        preparation = Preparation(self._settings, resources, calibrate=any(self._left.values()))
        # Only now, while that process starts: it imports Ray Tune, as the next does, and the third is for the noise.
        from orchestrator.execution.ray_patches import check_ray

        for needed in ("orchestrator.execution.tuning", "scipy.special"):
            importlib.import_module(needed)

        check_ray(observer.say)
        self._announce(observer)
        studies = show_studies(plan.config, self._finished, board, observer.say)
        models = preparation.wait_for_models(
            plan.concurrent, self._left, observer, plan.config.set, self._ends_at
        )
        # One dtype for all trials, though the nodes may differ: they start from the same original model.
        self._settings = replace(self._settings, dtype=models[RETRAINED]["dtype"])
        floor = find_noise_floor(models.values())
        if floor is not None:
            observer.say(explain_what_is_to_forget(floor))
        progress = Progress(
            plan.objective, self._total, floor, preparation.search_seconds, self._ends_at
        )
        progress.resume(self._finished)
        observer.started(progress)
        try:
            if any(self._left.values()):
                self._run_trials(studies, models[RETRAINED], floor, preparation, progress, observer)
            if self._ends_at is not None:
                progress.close()
        finally:
            observer.ended(progress)
        return progress, studies

    def _announce(self, observer: Observer) -> None:
        """Say what is run, and what no estimate knows."""
        plan = self._plan
        what = f"{plan.task.name} ({self._data.source}), model {plan.task.model}"
        many = plan.config.budget if self._total is None else f"{self._total} trials"
        observer.say(f"sweep {plan.name}: {what}, {many}")
        if plan.metrics:
            observer.say(
                f"NOTICE: {len(plan.metrics)} metrics on request, of each model and each trial's last point; "
                "the estimate is without them"
            )
        if self._settings.further:
            observer.say(
                f"NOTICE: {len(self._settings.further)} shadow models are trained, each as long as the original, and "
                "each trial runs its method on all of them; -NAME leaves a metric out"
            )
        if left := list_unhalved(plan.metrics, plan.references):
            needed = ", ".join(f"{name} ({metric_named(name).fewest_references})" for name in left)
            observer.say(
                f"NOTICE: with {plan.references} references these metrics stay empty; they need more: {needed}"
            )
        if self._finished:
            observer.say(f"going on: {len(self._finished)} trials are finished")

    def _run_trials(
        self,
        studies: Sequence[UnlearnerStudy],
        retrained: Row,
        floor: NoiseFloor | None,
        preparation: Preparation,
        progress: Progress,
        observer: Observer,
    ) -> None:
        from orchestrator.execution.tuning import Tuning

        plan = self._plan
        rule = FrontRule.of(plan.objective, floor) if plan.measure == NEEDED else None
        allocation = make_allocation(
            plan.config, self._finished, floor, self._ends_at, preparation.trial_seconds
        )
        tuning = Tuning(plan.config, self._settings, retrained, allocation, rule, self._finished)
        tuning.run(studies, self._left, progress, observer)
        if self._settings.further and not plan.keep_shadows:
            preparation.drop_shadows(observer)
