"""What is not needed is not measured: of most points the steering half alone passes through the model."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from tasks.evaluation import every_metric, list_in_rows
from tasks.evaluation.outputs import Outputs
from tasks.evaluation.passes import Pass
from tasks.evaluation.samples import sample_of
from tasks.models.network import Network
from tasks.problem import Problem
from tasks.roles import ORIGINAL
from tasks.trial import ALL, STEERING, Point, Thrift, run_trial
from tasks.unlearners.finetuning.finetune import Finetune
from tasks.workbench import Workbench

METHOD = Finetune(epochs=4, retain_share=0.1)
STEER = [n for n, m in every_metric().items() if m.tier == "row" and m.half == "validation"]


def run(bench: Workbench, thrift: Thrift | None = None) -> list[Point]:
    return list(run_trial(bench, METHOD, 0, thrift=thrift))


@pytest.fixture(scope="module")
def whole(judged: Workbench) -> list[Point]:
    """Every point measured whole, as it always was before."""
    return run(judged)


def test_a_point_that_is_measured_whole_has_the_numbers_it_always_had(judged, whole) -> None:
    found = run(judged, Thrift((), lambda point: point.epoch == 2))
    assert [p.measured for p in found] == [STEERING, ALL, STEERING, ALL]
    assert [found[i].metrics for i in (1, 3)] == [whole[i].metrics for i in (1, 3)]
    for scant, full in zip((found[0], found[2]), (whole[0], whole[2]), strict=True):
        assert list(scant.metrics) == list_in_rows()
        left = {name: value for name, value in scant.metrics.items() if name in STEER}
        assert left == {name: full.metrics[name] for name in STEER}
        assert {v for n, v in scant.metrics.items() if n not in STEER} == {None}
    assert [p.cost.flops for p in found] == [p.cost.flops for p in whole]


def test_whether_the_rest_is_wanted_is_asked_with_metrics_and_cost_of_points_before_the_last(
    judged, whole
) -> None:
    asked: list[Point] = []
    run(judged, Thrift((), lambda point: bool(asked.append(point))))
    assert [p.epoch for p in asked] == [1, 2, 3]
    assert [p.cost.relative_cost for p in asked] == [p.cost.relative_cost for p in whole[:3]]
    assert all(p.metrics["validation_indistinguishability"] is not None for p in asked)


@dataclass(frozen=True)
class Short(Finetune):
    """Ends after two of its epochs; what it `spoils` is no result of the trial."""

    spoils: bool = False

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields twice."""
        yield from itertools.islice(super().unlearn(problem), 2)
        if self.spoils:
            with torch.no_grad():
                problem.model.head.weight.zero_()


@pytest.mark.parametrize("spoils", [False, True])
def test_a_method_that_ends_early_has_its_last_point_measured_whole(judged, spoils) -> None:
    method = Short(epochs=4, retain_share=0.1, spoils=spoils)
    full = list(run_trial(judged, method, 0))
    found = list(run_trial(judged, method, 0, thrift=Thrift((), lambda point: False)))
    assert [p.epoch for p in found] == [1, 2, 2]
    assert [p.measured for p in found] == [STEERING, STEERING, STEERING if spoils else ALL]
    assert spoils or found[-1].metrics == full[-1].metrics
    assert found[-1].metrics["validation_accuracy"] == full[-1].metrics["validation_accuracy"]


@pytest.mark.parametrize("thrift", [None, Thrift((), lambda point: True)])
def test_a_method_that_ends_early_has_what_is_asked_of_its_last_point(judged, thrift) -> None:
    """A row without it would leave the trial out of every table of that metric."""
    method = Short(epochs=4, retain_share=0.1)
    found = list(run_trial(judged, method, 0, ("zrf",), thrift=thrift))
    assert ["zrf" in point.metrics for point in found] == [False, False, True]
    assert [(p.epoch, p.measured) for p in found] == [(1, ALL), (2, ALL), (2, ALL)]
    assert found[-1].metrics.items() >= found[-2].metrics.items()
    to_the_end = run_trial(judged, Finetune(epochs=2, retain_share=0.1), 0, ("zrf",), thrift=thrift)
    assert [point.metrics.get("zrf") for point in to_the_end] == [None, found[-1].metrics["zrf"]]


@pytest.fixture
def passed(judged: Workbench) -> tuple[Network, list[int]]:
    """The original model, and how many images each of its forward passes had."""
    model, _ = judged.model(judged.artifact(ORIGINAL))
    seen: list[int] = []
    model.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    return model, seen


def test_only_the_validation_half_and_its_half_of_the_forget_set_pass(judged, passed) -> None:
    model, seen = passed
    evaluation = judged.outputs(model)
    every = sum(seen)
    seen.clear()
    steering, measure_rest = judged.measure_steering(model)
    half = len(sample_of(evaluation, "validation").forgotten)
    assert sum(seen) == len(evaluation.validation.labels) + half < every / 2
    whole = measure_rest()
    assert sum(seen) == every, "an image passed twice"
    assert whole == judged.evaluate(model)
    assert [n for n, value in steering.items() if value is not None and n not in STEER] == []


def test_a_column_of_the_objective_is_measured_at_each_point_with_no_image_twice(
    judged, passed
) -> None:
    model, seen = passed
    found, measure_rest = judged.measure_steering(model, ("forget_accuracy",))
    assert sum(seen) == len(judged.validation_images) + len(judged.forget)
    assert found["retain_accuracy"] is None
    whole = measure_rest()
    assert found["forget_accuracy"] == whole["forget_accuracy"] == 1
    every = sum(seen)
    seen.clear()
    assert whole == judged.evaluate(model)
    assert sum(seen) == every


def test_a_metric_that_reads_a_whole_split_gets_it_whole_in_order() -> None:
    """A metric of a plug-in may read what it wants: nothing is made up, and no part is passed twice."""
    looks: list[int] = []
    parts = np.array([1, 3]), np.array([0, 2])
    logits, labels = np.eye(4, dtype=np.float32), np.arange(4)
    all_of_it = Outputs(logits, labels, kin=labels + 10, features=logits + 1)

    def look(number: int) -> Outputs:
        looks.append(number)
        return all_of_it.at(parts[number])

    seen = Pass(lambda: labels, lambda: parts, look, kin=all_of_it.kin)
    assert seen.labels is labels
    assert looks == []
    assert seen.pass_part(1).labels.tolist() == [0, 2]
    assert looks == [1]
    assert seen.correct.all()
    for name in ("logits", "labels", "kin", "features"):
        assert (getattr(seen.whole, name) == getattr(all_of_it, name)).all()
    assert (seen.features == logits + 1).all()
    assert seen.pass_part(0).kin.tolist() == [11, 13]
    assert looks == [1, 0]
