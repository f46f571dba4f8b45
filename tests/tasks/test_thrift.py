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
from tasks.evaluation.passes import Pass, read_part
from tasks.evaluation.samples import sample_of
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
        assert left == pytest.approx({name: full.metrics[name] for name in STEER}, abs=1e-5)
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
    name = "validation_accuracy"
    assert found[-1].metrics[name] == pytest.approx(full[-1].metrics[name])


def test_only_the_validation_half_and_its_half_of_the_forget_set_pass(judged: Workbench) -> None:
    model, _ = judged.model(judged.artifact(ORIGINAL))
    seen: list[int] = []
    model.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    evaluation = judged.outputs(model)
    every = sum(seen)
    seen.clear()
    _, measure_rest = judged.measure_steering(model)
    half = len(sample_of(evaluation, "validation").forgotten)
    assert sum(seen) == len(evaluation.validation.labels) + half < every / 2
    measure_rest()
    assert sum(seen) == every + half, "the validation half passed once more"


def test_a_column_of_the_objective_is_measured_at_each_point_with_no_image_twice(judged) -> None:
    model, _ = judged.model(judged.artifact(ORIGINAL))
    seen: list[int] = []
    model.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    found, _ = judged.measure_steering(model, ("forget_accuracy",))
    assert found["forget_accuracy"] == judged.evaluate(model)["forget_accuracy"] == 1
    assert found["retain_accuracy"] is None
    assert sum(seen[: -(-len(judged.forget) // 250)]) == len(judged.forget)


def test_a_metric_that_reads_a_whole_split_gets_it_whole() -> None:
    """A metric of a plug-in may read what it wants: nothing that was not passed is made up."""
    looks: list[object] = []
    logits, labels = np.eye(4, dtype=np.float32), np.arange(4)

    def look(chosen: np.ndarray | None) -> Outputs:
        looks.append(chosen)
        return (
            Outputs(logits, labels) if chosen is None else Outputs(logits[chosen], labels[chosen])
        )

    seen = Pass(lambda: labels, look)
    assert seen.labels is labels
    assert looks == []
    assert read_part(seen, np.array([2])).logits.shape == (1, 4)
    assert seen.correct.all()
    assert seen.losses.shape == (4,)
    assert read_part(seen, np.array([1, 3])).labels.tolist() == [1, 3]
    assert len(looks) == 2, "passed again though all of it was known"
