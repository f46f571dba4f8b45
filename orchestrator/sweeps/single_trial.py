"""One trial in this process, without Ray and Optuna."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from orchestrator.config import check_seed
from orchestrator.sweeps.local_bench import LocalBench, Progress, Say
from tasks.errors import InvalidValue
from tasks.evaluation import choose_metrics, metric_named, names_shadows
from tasks.evaluation.shadows.incidence import check_models
from tasks.needs import CALIBRATION, check_replayable, list_trained
from tasks.registry import one_of
from tasks.roles import check_count
from tasks.search_space import parameters
from tasks.sequences.requests import refuse_sequence
from tasks.sequences.suitability import check_method
from tasks.shadows.limits import check_study
from tasks.unlearners import unlearner_class

if TYPE_CHECKING:
    from orchestrator.results.sequences.files import StoredSequence
    from tasks.artifacts import Artifact
    from tasks.datasets.dataset import Dataset
    from tasks.sequences.course import Stage
    from tasks.task import Task
    from tasks.trial import Point
    from tasks.unlearners.base import Unlearner
    from tasks.workbench import Workbench

Show = Callable[[dict[str, Any]], None]
"""Is given the row of each request."""


@dataclass(frozen=True, kw_only=True)
class SingleTrial(LocalBench):
    """One trial, described by the settings of `orchestrator run`."""

    unlearner: str
    params: Mapping[str, Any]
    trial_seed: int = 0
    calibration: bool = False
    """Whether a calibration split is kept, as in the trial's sweep; a method that needs one turns it on."""
    references: int = 2
    """Retrained models that the trial is held against; 0 leaves the metrics that need them null."""
    metrics: str = ""
    """Metrics on request, of the last point: see `choose_metrics`."""
    shadows: int = 16
    """Shadow models, for the metrics that need them."""

    def run(self, say: Say, training: Progress) -> Iterator[dict[str, Any]]:
        """Unlearn, and yield each point as a row: epoch, metrics, costs. See `points`."""
        for point in self.points(say, training):
            yield _row(point)

    def points(self, say: Say, training: Progress) -> Iterator[Point]:
        """Train or load the original model and the references, unlearn, and yield each point.

        Of a sequence of requests it is the end alone, judged as a sweep does.

        Raises InputError for bad input, before anything is trained.
        """
        task, dataset, method = self._begin(say)
        from tasks.references import use_references
        from tasks.roles import ORIGINAL
        from tasks.sequences.course import run_whole
        from tasks.shadows.study import make_shadows
        from tasks.trial import run_trial

        bench = self._open(task.whole(), dataset, say, training)
        for role in (ORIGINAL, *list_trained(method.needs)):
            bench.artifact(role, training)
        use_references(bench, self.references, training)
        shadows = None
        if self._of_shadows():
            self._say_what_shadows_take(bench, say)
            shadows = make_shadows(bench, method, self.trial_seed, self.shadows, training)
        if not bench.task.joint:
            yield from run_trial(bench, method, self.trial_seed, self._asked, shadows)
            return
        steps = functools.partial(self._open, dataset=dataset, say=say, training=training)
        yield from run_whole(
            bench,
            lambda step, start: steps(step, start=start),
            method,
            self.trial_seed,
            self._asked,
        )

    @property
    def _asked(self) -> tuple[str, ...]:
        return choose_metrics(self.metrics)

    def _of_shadows(self) -> bool:
        """Tell whether metrics are asked for that need shadow models."""
        return names_shadows(self.metrics)

    def _say_what_shadows_take(self, bench: Workbench, say: Say) -> None:
        """Say how many shadow models are trained at most, and how long that takes one after another."""
        from orchestrator.reporting.durations import spell_duration
        from tasks.roles import ORIGINAL, list_further_roles
        from tasks.shadows.models import is_stored

        needs = {metric_named(name).needs for name in self._asked}
        roles = list_further_roles(needs, self.shadows, self.references)
        missing = [role for role in roles if not is_stored(bench, role, self.shadows)]
        record = bench.artifact(ORIGINAL).record
        took = f", up to {spell_duration(len(missing) * record.seconds)}" if record else ""
        say(
            f"NOTICE: metrics read {len(roles)} shadow models, of which {len(missing)} are trained as the original "
            f"is{took}; then each unlearns. What is done is kept; -NAME leaves a metric out"
        )

    def run_sequence(self, say: Say, training: Progress, show: Show) -> StoredSequence:
        """Unlearn one request after another; show each as a row, then all as one, and store what they led to.

        Raises InputError for bad input, before anything is trained.
        """
        task, dataset, method = self._begin(say)
        from tasks.sequences.course import run_requests

        def open_step(step: Task, start: Artifact | None) -> Workbench:
            return self._open(step, dataset, say, training, start)

        stages, rows = [], []
        found = run_requests(
            task, dataset, open_step, method, self.trial_seed, self.references, training
        )
        for stage in found:
            stages.append(stage)
            rows.append(
                {"step": stage.task.step, "request": stage.task.forget_set} | _row(stage.point)
            )
            show(rows[-1])
        whole = self._judge_whole(task, dataset, stages[-1], say, training)
        show(whole)
        return self._store(task, dataset, method, stages, rows, whole)

    def _judge_whole(
        self, task: Task, dataset: Dataset, last: Stage, say: Say, training: Progress
    ) -> dict[str, Any]:
        """Return the row of the last model, judged as a sweep judges it: by what was forgotten altogether."""
        from tasks.references import use_references

        bench = self._open(task.whole(), dataset, say, training)
        use_references(bench, self.references, training)
        assert last.point.model is not None
        point = replace(last.point, metrics=bench.evaluate(last.point.model, None, self._asked))
        return {"step": last.task.step, "request": ";".join(task.requests)} | _row(point)

    def _begin(self, say: Say) -> tuple[Task, Dataset, Unlearner]:
        """Check the settings, and load the task; say what is going to run."""
        self.check_settings()
        check_seed(self.trial_seed, "--trial-seed")
        check_count(self.references)
        check_models(self.shadows)
        needs = {metric_named(name).needs for name in self._asked}
        method = unlearner_class(self.unlearner).from_params(dict(self.params))
        check_replayable(self.original, method.needs, self.unlearner)
        check_study(method, needs, self.shadows, self.references)
        if self._of_shadows():
            refuse_sequence(self.task, "--metrics by shadow models")
        calibration = self.calibration or CALIBRATION in method.needs
        task, dataset = self.load_task(say, calibration=calibration)
        check_method(task, dataset, type(method))
        say(f"{self.describe(task, dataset)}, {self.unlearner} {method.params}")
        say(self.describe_loader(dataset))
        return task, dataset, method

    def _open(
        self,
        task: Task,
        dataset: Dataset,
        say: Say,
        training: Progress,
        start: Artifact | None = None,
    ) -> Workbench:
        bench = self.open_bench(task, dataset, training, start)
        if task.calibration and not task.earlier and not task.joint:
            taken = len(bench.calibration)
            say(f"NOTICE: a calibration split takes {taken} held-out images, out of both halves")
        count = len(task.requests)
        which = f"request {task.step} of {count}, {task.forget_set}: " if count > 1 else ""
        which = "all requests together: " if task.joint else which
        say(f"{which}{bench.describe_choice()}")
        return bench

    def _store(
        self,
        task: Task,
        dataset: Dataset,
        method: Unlearner,
        stages: Sequence[Stage],
        rows: list[dict[str, Any]],
        whole: dict[str, Any],
    ) -> StoredSequence:
        """Store the rows of a sequence and its matrix, under a name that all its settings determine."""
        from orchestrator.results.rows import trial_key
        from orchestrator.results.sequences.files import StoredSequence, write_sequence
        from orchestrator.results.sequences.stages import make_matrix
        from tasks.sequences.groups import list_groups

        key = trial_key(
            task.whole().key(dataset), self.unlearner, dict(method.params), self.trial_seed
        )
        settings = {"params": method.params, "seed": self.trial_seed, "task_seed": self.seed}
        groups = [group.name for group in list_groups(task, dataset)]
        matrix = make_matrix(self.unlearner, groups, stages)
        stored = StoredSequence(f"{self.unlearner}-{key}", matrix, rows, whole, settings)
        write_sequence(self.storage, stored)
        return stored


def _row(point: Point) -> dict[str, Any]:
    return {"epoch": point.epoch, **point.metrics, **asdict(point.cost)}


def parse_assignments(unlearner: str, assignments: list[str]) -> dict[str, Any]:
    """Return the hyper-parameters that NAME=VALUE texts set; raise InvalidValue for a wrong one."""
    known = parameters(unlearner_class(unlearner))
    values = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals:
            raise InvalidValue(
                f"--set {text}: not of the form NAME=VALUE; names: {', '.join(known)}"
            )
        values[name] = known[one_of("hyper-parameter", name, known)].parse(value)
    return values
