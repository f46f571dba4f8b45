"""Metrics: by their definitions, against independent computations; one forward pass a split."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from made_outputs import drawn, evaluation, made
from torch.nn import functional as F

from tasks.errors import Diverged
from tasks.evaluation import list_in_rows, measure, metric_named
from tasks.evaluation.attacks.loss import two_sided
from tasks.evaluation.outputs import Evaluation, Outputs, outputs
from tasks.roles import ORIGINAL
from tasks.workbench import Workbench


def test_losses_are_torchs_cross_entropies_also_for_extreme_logits() -> None:
    rng = np.random.default_rng(1)
    logits = (rng.normal(size=(50, 7)) * np.logspace(-3, 4, 50)[:, None]).astype(np.float32)
    labels = rng.integers(0, 7, 50)
    expected = F.cross_entropy(
        torch.from_numpy(logits).double(), torch.from_numpy(labels), reduction="none"
    )
    np.testing.assert_allclose(
        Outputs(logits, labels).losses, expected.numpy(), rtol=1e-9, atol=1e-12
    )


def test_the_loss_attack_counts_on_either_side_and_on_each_half() -> None:
    hidden = made(drawn(200, 1.0, 5), np.arange(200) % 4)
    exposed = made(8 + drawn(200, 0.1, 6), np.arange(200) % 4)
    found = measure(evaluation(forget=hidden, test=exposed, validation=hidden))
    reported = two_sided(found["mia_class_matched_accuracy"])
    assert found["loss_attack_indistinguishability"] == reported < 0.05
    steering = two_sided(found["validation_mia_class_matched_accuracy"])
    assert found["validation_loss_attack_indistinguishability"] == steering > 0.8


def test_a_model_that_is_always_right_scores_one_everywhere() -> None:
    labels = np.arange(120) % 4
    right = Outputs(np.eye(4, dtype=np.float32)[labels] * 9, labels)
    parts = {name: right for name in ("retain", "forget", "validation", "test", "learned")}
    found = measure(evaluation(forgotten=(2,), **parts))
    accuracies = [n for n in found if "accuracy" in n and "mia" not in n and found[n] is not None]
    assert len(accuracies) == 9
    assert {found[n] for n in accuracies} == {1.0}


def test_accuracy_is_split_into_retained_and_forgotten_classes() -> None:
    """Right on every class but 1, which the model always takes for 0."""
    labels = np.arange(200) % 4
    logits = np.eye(4, dtype=np.float32)[np.where(labels == 1, 0, labels)]
    found = measure(evaluation((1,), test=Outputs(logits, labels)))
    assert found["test_accuracy"] == 0.75
    assert found["test_accuracy_retained"] == found["test_accuracy_worst_class"] == 1.0
    assert found["test_accuracy_forgotten"] == 0.0
    assert measure(evaluation(test=Outputs(logits, labels)))["test_accuracy_worst_class"] == 0.0


def test_accuracies_agree_with_a_count_by_hand() -> None:
    case = evaluation((0, 3))
    test = case.test
    hits = [
        int(np.argmax(row)) == label for row, label in zip(test.logits, test.labels, strict=True)
    ]
    inside = [h for h, label in zip(hits, test.labels, strict=True) if label in (0, 3)]
    outside = [h for h, label in zip(hits, test.labels, strict=True) if label not in (0, 3)]
    found = measure(case)
    assert found["test_accuracy"] == pytest.approx(sum(hits) / len(hits))
    assert found["test_accuracy_forgotten"] == pytest.approx(sum(inside) / len(inside))
    assert found["test_accuracy_retained"] == pytest.approx(sum(outside) / len(outside))


def test_no_forgotten_class_has_no_accuracy() -> None:
    found = measure(evaluation())
    assert found["test_accuracy_forgotten"] is None
    assert found["test_accuracy_retained"] == found["test_accuracy"]


def test_a_forgotten_class_without_a_test_image_has_no_accuracy() -> None:
    """The single held-out image of a class is in the validation half: a mean of nothing is no number."""
    found = measure(evaluation((4,)))
    assert found["test_accuracy_forgotten"] is None
    assert found["test_accuracy_retained"] == found["test_accuracy"]


def test_every_metric_is_measured_under_its_column_and_in_zero_to_one(judged: Workbench) -> None:
    model, _ = judged.model(judged.artifact(ORIGINAL))
    found = judged.evaluate(model)
    assert list(found) == list_in_rows()
    assert all(v is None or 0 <= v <= 1 for v in found.values())
    absent = {name for name in found if metric_named(name).only not in (None, "classes")}
    assert {name for name in found if found[name] is None} == absent


def test_without_references_what_needs_them_is_null(random_bench: Workbench) -> None:
    model, _ = random_bench.model(random_bench.artifact(ORIGINAL))
    found = random_bench.evaluate(model)
    null = {name for name in found if found[name] is None}
    needy = {name for name in found if metric_named(name).needs == "references"}
    assert null == needy | {name for name in found if metric_named(name).only}


def test_measuring_twice_gives_the_same(bench: Workbench) -> None:
    model, _ = bench.model(bench.artifact(ORIGINAL))
    assert bench.evaluate(model) == bench.evaluate(model)


def test_a_split_takes_one_forward_pass_without_gradients(bench: Workbench) -> None:
    model, _ = bench.model(bench.artifact(ORIGINAL))
    seen: list[torch.Tensor] = []
    with_gradients: list[bool] = []

    def note(module: torch.nn.Module, inputs: tuple[torch.Tensor]) -> None:
        seen.append(inputs[0].clone())
        with_gradients.append(torch.is_grad_enabled())

    model.register_forward_pre_hook(note)
    bench.evaluate(model)
    held_out = len(bench.dataset.held_out)
    assert sum(len(x) for x in seen) == len(bench.retain) + len(bench.forget) + held_out
    every = torch.cat(seen).flatten(1)
    assert len(torch.unique(every, dim=0)) >= 0.99 * len(every), "a split was passed twice"
    assert not any(with_gradients)


def test_evaluating_restores_the_mode_and_changes_nothing(bench: Workbench) -> None:
    model, _ = bench.model(bench.artifact(ORIGINAL))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for training in (True, False):
        model.train(training)
        bench.evaluate(model)
        assert model.training is training
    assert all(torch.equal(before[n], t) for n, t in model.state_dict().items())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_outputs_that_are_not_finite_are_diverged(bench: Workbench, value: float) -> None:
    model, _ = bench.model(bench.artifact(ORIGINAL))
    with torch.no_grad():
        model.head.bias[3] = value
    with pytest.raises(Diverged, match="not finite"):
        outputs(model, bench.forget)
    with pytest.raises(Diverged):
        bench.evaluate(model)


def test_the_held_out_halves_steer_and_report_apart(bench: Workbench) -> None:
    """Columns of the search read the validation half alone, the others never do."""
    model, _ = bench.model(bench.artifact(ORIGINAL))
    case = Evaluation(
        retain=outputs(model, bench.retain),
        forget=outputs(model, bench.forget),
        validation=outputs(model, bench._validation),
        test=outputs(model, bench._test),
        forgotten_classes=(1,),
    )
    scrambled = Outputs(np.roll(case.validation.logits, 1, axis=1), case.validation.labels)
    before, after = measure(case), measure(dataclasses.replace(case, validation=scrambled))
    changed = {name for name in before if before[name] != after[name]}
    assert changed
    assert all(name.startswith("validation_") for name in changed)
    assert {"validation_accuracy", "validation_accuracy_retained"} <= changed
