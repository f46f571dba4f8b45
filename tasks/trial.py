"""One trial: the original model, an unlearner, and a point of the trade-off after each yield."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator
from dataclasses import dataclass, field, replace

import torch

from tasks.artifacts import Artifact
from tasks.compute.meters import CostMeter, Stopwatch
from tasks.errors import Diverged, InvalidValue
from tasks.evaluation.shadows.outputs import Shadows
from tasks.models.network import Network
from tasks.roles import reference_role
from tasks.search_space import EPOCHS
from tasks.unlearners.base import Unlearner, begin_unlearning
from tasks.workbench import Workbench

__all__ = ["Cost", "Diverged", "Point", "baseline_point", "reference_point", "run_trial"]


STEERING, ALL = MEASURED = "steering", "all"
"""How much of a point is measured: the metrics of the validation half and of the objective, or all of a row."""


ALIKE = 0.01
"""By how much a metric of one model may differ between two passes of the same images, as on a GPU."""


@dataclass(frozen=True)
class Cost:
    """What a point of a trial's trajectory took, from the trial's start."""

    unlearn_seconds: float
    """Wall seconds in the unlearner, device-synchronised, evaluation left out."""
    load_seconds: float
    """Seconds to put a fresh original model on the device."""
    evaluate_seconds: float
    """Seconds spent measuring."""
    gradient_samples: int
    """Examples passed forward and backward."""
    flops: float
    """Floating-point operations of the unlearner's passes through the model, and what it counted beside them."""
    relative_cost: float
    """`flops` over those of retraining from scratch; more if there was other work: Workbench.relative_cost."""
    preparation_cost: float
    """FLOPs of what was trained beforehand for the method alone, over those of retraining; 0 if nothing was."""
    run_time_efficiency: float | None = None
    """A retrain's busy seconds over these: see Workbench.run_time_efficiency."""


@dataclass(frozen=True)
class Point:
    """The state after `epoch` yields of the unlearner: its metrics and its cost so far."""

    epoch: int
    metrics: dict[str, float | None]
    cost: Cost
    measured: str = ALL
    """ALL metrics of a row, or only those that are STEERING."""
    model: Network | None = field(default=None, repr=False, compare=False)
    """The model in this state. The next step of the trial changes it."""


Judge = Callable[[Network], dict[str, float | None]]
"""Measures a model."""


@dataclass(frozen=True)
class Thrift:
    """Measures what is needed: of a point before the last, first what steers the search."""

    columns: Collection[str]
    """Metrics that the search reads, beside those of the validation half."""
    is_wanted: Callable[[Point], bool]
    """Tells by a point that is measured so far whether the rest of it is measured too."""


def run_trial(
    bench: Workbench,
    unlearner: Unlearner,
    seed: int,
    asked: Collection[str] = (),
    shadows: Shadows | None = None,
    judge: Judge | None = None,
    thrift: Thrift | None = None,
) -> Generator[Point, None, None]:
    """Unlearn and yield a Point per epoch; the clock stands still while a point is evaluated.

    The clock starts with the call of `unlearn`, which may do its work before it returns, and counts
    whatever the method does until its last yield. The last point is the trial's result; for a method that
    is not `anytime`, the only one that is measured. It alone has the metrics that are `asked` for. Raises
    Diverged if the outputs are not finite, InvalidValue for a method without a yield. Points are measured by
    `judge` [default: `bench.evaluate`]. With `thrift`, the points before the last are measured as it says; if a
    method ends before its last epoch, what its last point lacks is measured, and the point is yielded once more.
    """
    load, learn, look = (Stopwatch(bench.device) for _ in range(3))
    with load.measure():
        problem, meter = bench.problem(unlearner, seed)
    with learn.measure():
        steps = begin_unlearning(unlearner, problem)
    epoch, finished = 0, False
    point: Point | None = None
    while not finished:
        with learn.measure():
            finished = _advance(steps)
        epoch += not finished
        if not epoch:
            raise InvalidValue(f"{type(unlearner).__name__}.unlearn() ended without a yield")
        # Only an anytime method's intermediate states are results.
        if finished == unlearner.anytime:
            if point is not None and _is_incomplete(point, asked):
                with look.measure(), meter.pause():
                    point = _complete(bench, point, asked, shadows)
                yield _with_seconds(point, look.seconds)
            continue
        cost = _sum_up(bench, unlearner, meter, load, learn)
        last = finished or epoch == getattr(unlearner, EPOCHS, epoch)
        point = Point(epoch, {}, cost, model=problem.model)
        with look.measure(), meter.pause():
            if judge is not None:
                point = replace(point, metrics=judge(problem.model))
            elif last:
                point = _measure(bench, point, asked, shadows)
            else:
                point = _measure(bench, point, (), shadows, thrift)
        yield _with_seconds(point, look.seconds)


def _sum_up(
    bench: Workbench, unlearner: Unlearner, meter: CostMeter, load: Stopwatch, learn: Stopwatch
) -> Cost:
    """Return what a trial took so far, but for its evaluation."""
    flops = bench.sum_flops(meter)
    return Cost(
        learn.seconds,
        load.seconds,
        0.0,
        meter.gradient_samples,
        flops,
        bench.relative_cost(flops, learn.busy_seconds),
        bench.preparation_cost(unlearner),
        bench.run_time_efficiency(learn.busy_seconds),
    )


def _with_seconds(point: Point, evaluate_seconds: float) -> Point:
    return replace(point, cost=replace(point.cost, evaluate_seconds=evaluate_seconds))


def _is_incomplete(point: Point, asked: Collection[str]) -> bool:
    return point.measured == STEERING or not point.metrics.keys() >= set(asked)


def _complete(
    bench: Workbench, point: Point, asked: Collection[str], shadows: Shadows | None
) -> Point:
    """Measure the rest of a point after its trial has ended; not if the method has changed the model since."""
    assert point.model is not None
    metrics = bench.evaluate(point.model, None, asked, shadows)
    pairs = ((value, metrics[name]) for name, value in point.metrics.items())
    same = all(a is None or (b is not None and abs(a - b) <= ALIKE) for a, b in pairs)
    return replace(point, metrics=metrics, measured=ALL) if same else point


def _measure(
    bench: Workbench,
    point: Point,
    asked: Collection[str],
    shadows: Shadows | None,
    thrift: Thrift | None = None,
) -> Point:
    """Measure a point: all of it, and the metrics that are `asked` for, or what `thrift` wants of it."""
    assert point.model is not None
    if thrift is None:
        return replace(point, metrics=bench.evaluate(point.model, None, asked, shadows))
    metrics, measure_rest = bench.measure_steering(point.model, thrift.columns)
    seen = replace(point, metrics=metrics, measured=STEERING)
    if thrift.is_wanted(seen):
        return replace(point, metrics=measure_rest())
    return seen


def _advance(steps: Iterator[None]) -> bool:
    """Run the unlearner up to its next yield; True if it has ended instead."""
    try:
        next(steps)
    except StopIteration:
        return True
    return False


def baseline_point(
    bench: Workbench,
    artifact: Artifact,
    *,
    trained_for_this: bool,
    reference: int = 0,
    asked: Collection[str] = (),
) -> Point:
    """Measure the original or a reference, with the cost of its training.

    The original model costs nothing here: the task starts from it. What is `trained_for_this` is the
    reference of that number, and is held against the others alone.
    """
    load, judge = Stopwatch(bench.device), Stopwatch(bench.device)
    with load.measure():
        model, _ = bench.model(artifact)
    with judge.measure(), torch.no_grad():
        metrics = bench.evaluate(model, reference if trained_for_this else None, asked)
    record = artifact.record if trained_for_this else None
    flops = record.flops if record else 0.0
    cost = Cost(
        record.seconds if record else 0.0,
        load.seconds,
        judge.seconds,
        record.gradient_samples if record else 0,
        flops,
        bench.relative_cost(flops),
        preparation_cost=0.0,
        run_time_efficiency=bench.run_time_efficiency((record and record.busy_seconds) or 0.0),
    )
    return Point(model.recipe.epochs if record else 0, metrics, cost)


def reference_point(bench: Workbench, reference: int, asked: Collection[str] = ()) -> Point:
    """Measure one reference, held against the others, with the cost of its training.

    `use_references` comes first, with more references than `reference`.
    """
    artifact = bench.artifact(reference_role(reference))
    return baseline_point(bench, artifact, trained_for_this=True, reference=reference, asked=asked)
