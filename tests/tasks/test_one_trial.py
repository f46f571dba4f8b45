"""One trial: points of the trade-off in order, with their true cost; baselines beside them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from tasks.compute.flops import CountedFlops
from tasks.errors import Diverged
from tasks.evaluation import list_in_rows
from tasks.problem import Problem
from tasks.roles import ORIGINAL, RETRAINED
from tasks.trial import Point, baseline_point, run_trial
from tasks.unlearners import UNLEARNERS, unlearner_class
from tasks.unlearners.base import Unlearner, begin_unlearning, cross_entropy
from tasks.unlearners.exact.retrain import Retrain
from tasks.unlearners.finetuning.finetune import Finetune
from tasks.unlearners.finetuning.finetune_l1 import FinetuneL1
from tasks.workbench import Workbench


@dataclass(frozen=True)
class Idle(Unlearner):
    """Yields without touching the model."""

    epochs: int = 2

    def unlearn(self, problem: Problem) -> Iterator[None]:
        for _ in range(self.epochs):
            yield


@dataclass(frozen=True)
class Eager(Unlearner):
    """Does all its work before it returns: it is no generator function."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        batches = (batch for _ in range(20) for batch in problem.retain.ordered())
        for x, y in batches:
            cross_entropy(problem.model(x), y).backward()
        return iter([None])


@dataclass(frozen=True)
class IdleToTheEnd(Idle):
    """The same, where only the end counts."""

    anytime: ClassVar[bool] = False


@pytest.fixture(scope="module")
def trajectory(bench: Workbench) -> list[Point]:
    """Three epochs of fine-tuning on a tenth of the retain set."""
    return list(run_trial(bench, Finetune(epochs=3, retain_share=0.1), 0))


def test_an_anytime_method_gives_a_point_per_epoch(trajectory: list[Point]) -> None:
    assert [p.epoch for p in trajectory] == [1, 2, 3]
    assert all(list(p.metrics) == list_in_rows() for p in trajectory)


def test_the_clock_counts_what_a_method_does_before_it_returns(bench: Workbench) -> None:
    """Started at the first step, it read microseconds for a whole trial."""
    start = time.perf_counter()
    (point,) = run_trial(bench, Eager(), 0)
    took = time.perf_counter() - start
    assert point.cost.gradient_samples == 20 * len(bench.retain)
    others = point.cost.load_seconds + point.cost.evaluate_seconds
    assert point.cost.unlearn_seconds > 0.9 * (took - others)


def test_every_cost_grows_along_the_trajectory(trajectory: list[Point]) -> None:
    for name in (
        "unlearn_seconds",
        "evaluate_seconds",
        "gradient_samples",
        "flops",
        "relative_cost",
    ):
        values = [getattr(p.cost, name) for p in trajectory]
        assert values == sorted(set(values)), name
        assert values[0] > 0
    assert len({p.cost.load_seconds for p in trajectory}) == 1


def test_points_are_those_of_shorter_trials(bench: Workbench, trajectory: list[Point]) -> None:
    """So a point in the middle is a result in its own right."""
    short = list(run_trial(bench, Finetune(epochs=1, retain_share=0.1), 0))
    assert len(short) == 1
    assert short[0].metrics == trajectory[0].metrics


def test_a_method_that_is_not_anytime_gives_its_last_point_alone(bench: Workbench) -> None:
    (point,) = run_trial(bench, FinetuneL1(epochs=3, retain_share=0.1), 0)
    assert point.epoch == 3
    assert point.cost.gradient_samples == 3 * round(0.1 * len(bench.retain))


@pytest.mark.parametrize("method", [Idle, IdleToTheEnd])
def test_doing_nothing_is_the_original_model(bench: Workbench, method: type[Idle]) -> None:
    points = list(run_trial(bench, method(), 0))
    assert [p.epoch for p in points] == ([1, 2] if method.anytime else [2])
    original = baseline_point(bench, bench.artifact(ORIGINAL), trained_for_this=False)
    assert all(p.metrics == original.metrics for p in points)
    assert {p.cost.relative_cost for p in points} == {0.0}


def test_the_clock_stands_still_while_a_point_is_evaluated(bench: Workbench) -> None:
    """Doing nothing takes no time, however long its results are looked at."""
    *_, last = run_trial(bench, Idle(), 0)
    assert last.cost.evaluate_seconds > 20 * last.cost.unlearn_seconds


def test_a_trial_leaves_the_shared_model_as_it_was(bench: Workbench) -> None:
    before = {name: t.clone() for name, t in bench.artifact(ORIGINAL).state.items()}
    list(run_trial(bench, Finetune(epochs=1, lr=0.1), 0))
    assert all(torch.equal(before[n], t) for n, t in bench.artifact(ORIGINAL).state.items())


def test_the_same_seed_gives_the_same_metrics(bench: Workbench, trajectory: list[Point]) -> None:
    again = list(run_trial(bench, Finetune(epochs=3, retain_share=0.1), 0))
    assert [p.metrics for p in again] == [p.metrics for p in trajectory]


def test_retraining_is_the_retrained_baseline_at_the_whole_cost(bench: Workbench) -> None:
    (trial,) = run_trial(bench, Retrain(), bench.task.seed)
    baseline = baseline_point(bench, bench.artifact(RETRAINED), trained_for_this=True)
    assert trial.metrics == baseline.metrics
    assert trial.epoch == baseline.epoch == bench.fresh_model().recipe.epochs
    assert trial.cost.relative_cost == pytest.approx(1.0, abs=1e-9)
    assert baseline.cost.relative_cost == pytest.approx(1.0, abs=1e-9)
    assert trial.cost.gradient_samples == baseline.cost.gradient_samples
    assert baseline.cost.unlearn_seconds == bench.artifact(RETRAINED).record.seconds


def test_the_original_model_costs_nothing_and_knows_the_forget_set(bench: Workbench) -> None:
    point = baseline_point(bench, bench.artifact(ORIGINAL), trained_for_this=False)
    cost = point.cost
    assert (point.epoch, cost.unlearn_seconds, cost.gradient_samples, cost.relative_cost) == (
        0,
    ) * 4
    assert point.metrics["forget_accuracy"] > 0.99
    assert point.metrics["test_accuracy"] > 0.9
    retrained = baseline_point(bench, bench.artifact(RETRAINED), trained_for_this=True)
    assert retrained.metrics["forget_accuracy"] == retrained.metrics["test_accuracy_forgotten"] == 0
    assert retrained.metrics["test_accuracy_retained"] > 0.9


def test_a_learning_rate_far_too_large_is_diverged(bench: Workbench) -> None:
    with pytest.raises(Diverged, match="not finite"):
        list(run_trial(bench, Finetune(lr=1e30, epochs=1), 0))


def test_after_a_diverged_trial_the_next_one_is_sound(
    bench: Workbench, trajectory: list[Point]
) -> None:
    with pytest.raises(Diverged):
        list(run_trial(bench, Finetune(lr=1e30, epochs=1), 0))
    first = next(run_trial(bench, Finetune(epochs=3, retain_share=0.1), 0))
    assert first.metrics == trajectory[0].metrics


@pytest.mark.parametrize("name", [n for n in UNLEARNERS if n not in ("retrain", "sisa")])
def test_every_method_is_cheaper_than_retraining_at_its_defaults_and_counts_what_torch_computes(
    calibrated_bench: Workbench, name: str
) -> None:
    """SISA is not cheaper, where every shard holds forgotten examples. No rule of torch's counts an eigenvector."""
    bench, cls = calibrated_bench, unlearner_class(name)
    problem, meter = bench.problem(cls(), 0)
    with CountedFlops() as computed:
        for _ in begin_unlearning(cls(), problem):
            pass
    counted = bench.sum_flops(meter)
    assert 0 < counted < bench.retrain_flops()
    assert 0.98 * computed.total < counted < (1.1 if meter.other_flops else 1.02) * computed.total
    assert (meter.other_flops + meter.further_backwards > 0) == cls.counts_beside


WITHOUT = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"ray", "optuna", "ffcv", "pyarrow"}:
            raise ModuleNotFoundError(f"No module named {name!r} (blocked by the test)", name=name)

sys.meta_path.insert(0, Refuse())
import tasks
from pathlib import Path
import torch
from tasks.task import Task
from tasks.trial import run_trial
from tasks.unlearners import unlearner_class
from tasks.workbench import Workbench

torch.set_num_threads(1)
task = Task.named("digits-class:1")
bench = Workbench(task, task.load(), Path(sys.argv[1]), torch.device("cpu"))
for point in run_trial(bench, unlearner_class("finetune")(epochs=1), 0):
    print(point.epoch, len(point.metrics), point.cost.gradient_samples)
for name in ("ray", "optuna", "ffcv", "pyarrow"):
    try:
        __import__(name)
    except ModuleNotFoundError:
        continue
    print(name, "was not blocked")
"""


def test_a_trial_runs_without_ray_optuna_ffcv_and_pyarrow(bench: Workbench, process) -> None:  # type: ignore[no-untyped-def]
    bench.artifact(ORIGINAL)  # so that the child need not train it
    out, _ = process(WITHOUT, bench.cache.root).communicate()
    assert out == f"1 {len(list_in_rows())} {len(bench.retain)}\n"
