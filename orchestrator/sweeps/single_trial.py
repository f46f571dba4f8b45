"""One trial in this process, without Ray and Optuna."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.config import check_seed
from orchestrator.sweeps.local_bench import LocalBench, Progress, Say
from tasks.errors import InvalidValue
from tasks.evaluation import choose_metrics, list_of_shadows, metric_named
from tasks.needs import CALIBRATION, list_trained
from tasks.registry import one_of
from tasks.roles import check_count
from tasks.search_space import parameters
from tasks.shadows.limits import check_study
from tasks.unlearners import unlearner_class

if TYPE_CHECKING:
    from tasks.trial import Point


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
            yield {"epoch": point.epoch, **point.metrics, **asdict(point.cost)}

    def points(self, say: Say, training: Progress) -> Iterator[Point]:
        """Train or load the original model and the references, unlearn, and yield each point.

        Raises InputError for bad input, before anything is trained.
        """
        self.check_settings()
        check_seed(self.trial_seed)
        check_count(self.references)
        asked = choose_metrics(self.metrics)
        method = unlearner_class(self.unlearner).from_params(dict(self.params))
        check_study(method, {metric_named(n).needs for n in asked}, self.shadows, self.references)
        from tasks.references import use_references
        from tasks.roles import ORIGINAL
        from tasks.shadows.study import make_shadows
        from tasks.trial import run_trial

        calibration = self.calibration or CALIBRATION in method.needs
        task, dataset = self.load_task(calibration=calibration)
        say(f"{self.describe(task, dataset)}, {self.unlearner} {method.params}")
        say(self.describe_loader(dataset))
        bench = self.open_bench(task, dataset, training)
        if task.calibration:
            taken = len(bench.calibration)
            say(f"NOTICE: a calibration split takes {taken} held-out images, out of both halves")
        say(bench.describe_choice())
        for role in (ORIGINAL, *list_trained(method.needs)):
            bench.artifact(role, training)
        use_references(bench, self.references, training)
        shadows = None
        if {*asked} & {*list_of_shadows()}:
            say(
                "NOTICE: metrics by shadow models train models as the original is: see the lines that follow"
            )
            shadows = make_shadows(bench, method, self.trial_seed, self.shadows, training)
        yield from run_trial(bench, method, self.trial_seed, asked, shadows)


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
