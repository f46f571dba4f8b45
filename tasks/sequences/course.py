"""One method through a sequence of requests: each starts from the model that the last one left."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tasks.artifacts import Artifact, TrainingRecord
from tasks.compute.meters import Stopwatch
from tasks.compute.timed_training import Progress, device_name, silent
from tasks.provenance import content_key
from tasks.references import use_references
from tasks.roles import ORIGINAL, reference_role
from tasks.sequences.groups import Group, list_groups, measure_groups
from tasks.sequences.requests import step_seed
from tasks.sequences.suitability import check_method
from tasks.task import Task
from tasks.trial import Cost, Judge, Point, run_trial
from tasks.unlearners.base import Unlearner

if TYPE_CHECKING:
    from tasks.datasets.dataset import Dataset
    from tasks.models.network import Network
    from tasks.workbench import Workbench

OpenBench = Callable[[Task, Artifact | None], "Workbench"]
"""Opens the bench of a step's task, whose original model is the artifact; None for the task's own."""


@dataclass(frozen=True, eq=False)
class Stage:
    """What one request led to."""

    task: Task
    point: Point
    """The last point of the request's trial. Its costs are those of all requests so far."""
    retrain_flops: float
    """FLOPs of one retrain on what is left after this request."""
    before: list[float]
    """Accuracy on each group of the model that the request met."""
    accuracies: list[float]
    """Accuracy on each group of the model that the request left."""
    references: list[list[float]]
    """The same of each reference that was retrained on what is left."""


def run_requests(
    first: Task,
    dataset: Dataset,
    open_bench: OpenBench,
    method: Unlearner,
    seed: int,
    references: int,
    training: Progress = silent,
) -> Iterator[Stage]:
    """Yield a Stage after each request of the sequence that `first` begins; the method's settings stay the same.

    Request t has the seed `step_seed(seed, t)`, and is held against `references` models that were retrained
    on what it leaves. Raises Diverged as `run_trial` does.
    """
    check_method(first, dataset, type(method))
    groups = list_groups(first, dataset)

    def open_ready(task: Task, start: Artifact | None) -> Workbench:
        bench = open_bench(task, start)
        bench.artifact(ORIGINAL, training)
        use_references(bench, references, training)
        return bench

    for bench, point in walk_requests(first, open_ready, method, seed):
        assert point.model is not None
        met, _ = bench.model(bench.artifact(ORIGINAL))
        yield Stage(
            task=bench.task,
            point=point,
            retrain_flops=bench.retrain_flops(),
            before=measure_groups(met, bench, groups),
            accuracies=measure_groups(point.model, bench, groups),
            references=_measure_references(bench, references, groups, training),
        )


def run_whole(
    bench: Workbench,
    open_bench: OpenBench,
    method: Unlearner,
    seed: int,
    asked: Collection[str] = (),
) -> Generator[Point, None, None]:
    """Yield one point: the end of a sequence, judged by the bench of its `Task.whole`.

    What the requests forget together is held against models retrained on what the last one leaves. What the
    earlier ones leave is not measured. The metrics that are `asked` for are of that point too.
    """

    def open_ready(task: Task, start: Artifact | None) -> Workbench:
        opened = open_bench(task, start)
        opened.references = bench.references  # for the seconds of a retrain
        return opened

    *_, (_, point) = walk_requests(bench.task, open_ready, method, seed, lambda model: {})
    assert point.model is not None
    look = Stopwatch(bench.device)
    with look.measure():
        metrics = bench.evaluate(point.model, None, asked)
    cost = replace(point.cost, evaluate_seconds=look.seconds)
    yield replace(point, metrics=metrics, cost=cost)


def walk_requests(
    first: Task,
    open_bench: OpenBench,
    method: Unlearner,
    seed: int,
    judge: Judge | None = None,
) -> Iterator[tuple[Workbench, Point]]:
    """Yield the bench and the last point of each request's trial, with the costs of all requests so far.

    Each starts from what the last one left, in an order of its own of the random numbers. For `judge` see `run_trial`.
    """
    start: Artifact | None = None
    total, retrains = None, 0.0
    for task in first.steps():
        bench = open_bench(task, start)
        *_, point = run_trial(bench, method, step_seed(seed, task.step), judge=judge)
        assert point.model is not None
        retrain = bench.retrain_flops()
        total = point.cost if total is None else _add_costs(total, retrains, point.cost, retrain)
        retrains += retrain
        start = keep_model(bench, point.model, method, seed)
        yield bench, replace(point, cost=total)


def keep_model(bench: Workbench, model: Network, method: Unlearner, seed: int) -> Artifact:
    """Return what a request left as the original of the next one: a copy of its weights, on the CPU.

    Its key names the task, the model that the request met, the method and the seed.
    """
    state = {name: t.detach().cpu().clone() for name, t in model.state_dict().items()}
    key = content_key(
        role="unlearned",
        task=bench.task_key(),
        start=bench.key(ORIGINAL),
        method=type(method).__qualname__,
        params=repr(method),
        seed=seed,
    )
    record = TrainingRecord(0.0, 0, 0.0, device_name(bench.device), 0)
    return Artifact(key, state, record)


def _measure_references(
    bench: Workbench, count: int, groups: tuple[Group, ...], training: Progress
) -> list[list[float]]:
    found = []
    for number in range(count):
        model, _ = bench.model(bench.artifact(reference_role(number), training))
        found.append(measure_groups(model, bench, groups))
    return found


def _add_costs(total: Cost, retrains: float, cost: Cost, retrain: float) -> Cost:
    """Add what one more request took; the relative cost is a share of as many retrains as requests."""
    share = total.relative_cost * retrains + cost.relative_cost * retrain
    return Cost(
        unlearn_seconds=total.unlearn_seconds + cost.unlearn_seconds,
        load_seconds=total.load_seconds + cost.load_seconds,
        evaluate_seconds=total.evaluate_seconds + cost.evaluate_seconds,
        gradient_samples=total.gradient_samples + cost.gradient_samples,
        flops=total.flops + cost.flops,
        relative_cost=share / (retrains + retrain),
        preparation_cost=total.preparation_cost + cost.preparation_cost,
    )
