"""References of a real task: trained once, kept as outputs, and what they make of real models."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.datasets.dataset import Dataset
from tasks.errors import InvalidValue
from tasks.evaluation.references import SPLITS, ReferenceOutputs
from tasks.references import outputs_key, reference_outputs, use_references
from tasks.roles import (
    ORIGINAL,
    RETRAINED,
    check_count,
    reference_number,
    reference_role,
    training_seed,
)
from tasks.trial import baseline_point, reference_point
from tasks.workbench import Workbench


def test_the_first_reference_is_the_retrained_model_and_the_others_have_seeds_of_their_own() -> (
    None
):
    roles = [reference_role(number) for number in range(4)]
    assert roles == [RETRAINED, "reference-1", "reference-2", "reference-3"]
    assert [reference_number(role) for role in roles] == [0, 1, 2, 3]
    assert training_seed(ORIGINAL, 5) == training_seed(RETRAINED, 5) == 5
    seeds = {training_seed(role, seed) for role in roles for seed in range(10)}
    assert len(seeds) == 40, "neighbouring tasks share a training"


def test_keys_differ_by_reference_and_the_retrained_models_stays(bench: Workbench) -> None:
    about = bench.dataset, bench.dtype, f"cpu-{torch.get_num_threads()}"
    assert bench.key(RETRAINED) == bench.task.retrained_key(*about)
    assert len({bench.key(reference_role(n)) for n in range(4)} | {bench.key(ORIGINAL)}) == 5
    other = dataclasses.replace(bench.task, seed=1)
    assert other.retrained_key(*about, 1) != bench.task.retrained_key(*about, 1)


@pytest.mark.parametrize("count", [1, -1])
def test_a_lone_reference_is_refused(count: int) -> None:
    with pytest.raises(InvalidValue, match=r"valid: 0 \(none\), 2 or more"):
        check_count(count)


def test_outputs_survive_being_stored(judged: Workbench) -> None:
    assert judged.references is not None
    assert len(judged.references) == 3
    stored = judged.references.to_bytes()
    read = ReferenceOutputs.from_bytes(stored)
    assert read is not None
    for name in SPLITS:
        assert getattr(read, name).dtype == np.float32
        assert np.array_equal(getattr(read, name), getattr(judged.references, name))
    assert ReferenceOutputs.from_bytes(None) is None
    assert ReferenceOutputs.from_bytes(stored[:-1]) is None
    assert ReferenceOutputs.from_bytes(stored[:200] + b"x" + stored[201:]) is None
    assert ReferenceOutputs.from_bytes(stored.partition(b"\n")[2]) is None


def test_a_worker_loads_outputs_and_no_models(judged: Workbench, digits: Dataset) -> None:
    """Also where the models are gone: nothing is trained, and damage alone brings a model back."""
    worker = Workbench(judged.task, digits, judged.cache.root, torch.device("cpu"))
    said: list[str] = []
    use_references(worker, 3, lambda what, *_: said.append(what))
    assert said == []
    assert worker._artifacts == {}
    assert judged.references is not None
    assert np.array_equal(worker.references.forget, judged.references.forget)  # type: ignore[union-attr]


def test_damaged_outputs_are_made_again_from_the_model(judged: Workbench, digits: Dataset) -> None:
    worker = Workbench(judged.task, digits, judged.cache.root, torch.device("cpu"))
    file = Path(judged.cache.root) / f"{outputs_key(worker, 1)}.outputs"
    before = file.read_bytes()
    file.write_bytes(before[:-50])
    assert ReferenceOutputs.from_bytes(file.read_bytes()) is None
    again = reference_outputs(worker, 1)
    assert ReferenceOutputs.from_bytes(file.read_bytes()) is not None
    assert judged.references is not None
    np.testing.assert_allclose(again.forget[0], judged.references.forget[1], atol=1e-5)


def test_references_are_alike_and_the_original_is_not(judged: Workbench) -> None:
    """The numbers that a search on the digits is steered by."""
    points = [reference_point(judged, number) for number in range(3)]
    original = baseline_point(judged, judged.artifact(ORIGINAL), trained_for_this=False).metrics
    for name in ("indistinguishability", "validation_indistinguishability"):
        scores = [point.metrics[name] for point in points]
        assert min(scores) > 0.7  # type: ignore[type-var]
        assert original[name] < 0.05  # type: ignore[operator]
    assert original["under_unlearned"] == 1
    assert {p.metrics["under_unlearned"] for p in points} == {0.0}
    assert {p.cost.relative_cost for p in points} == {1.0}
    retrained = baseline_point(judged, judged.artifact(RETRAINED), trained_for_this=True).metrics
    assert retrained == points[0].metrics


def test_a_model_that_answers_at_random_is_no_forgetting(judged: Workbench) -> None:
    model, _ = judged.model(judged.artifact(ORIGINAL))
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.zero_()
    found = judged.evaluate(model)
    assert found["indistinguishability"] < 0.5
    assert found["loss_attack_indistinguishability"] == 1.0, "the old number took it for perfect"


def test_outputs_cannot_see_a_sham(judged: Workbench) -> None:
    """One bias is edited and all features stay: what is measured here calls that forgetting.

    Only a look inside the model tells (CKA, a probe, relearning): that is for `confirm`.
    """
    model, _ = judged.model(judged.artifact(ORIGINAL))
    with torch.no_grad():
        model.head.bias[1] = -50.0
    found = judged.evaluate(model)
    assert found["forget_accuracy"] == found["test_accuracy_forgotten"] == 0
    assert found["test_accuracy_retained"] > 0.95
    assert found["indistinguishability"] > 0.6
