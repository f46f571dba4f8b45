"""Looks inside: known answers of what they compute, and that they tell a sham from a model that forgot."""

from __future__ import annotations

import copy
import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tasks.datasets.dataset import Dataset, LabelledImages
from tasks.evaluation import list_on_request, metric_named
from tasks.evaluation.looks.adversarial import attack
from tasks.evaluation.looks.corruptions import (
    CORRUPTIONS,
    GAUSSIAN,
    SEVERITIES,
    corrupt,
    list_corruptions,
)
from tasks.evaluation.looks.probes import neighbour_predictions
from tasks.evaluation.looks.quantisation import quantise, quantise_model
from tasks.evaluation.looks.relearning import count_steps
from tasks.evaluation.looks.representation import linear_cka
from tasks.models.network import Network
from tasks.references import use_references
from tasks.roles import ORIGINAL, RETRAINED
from tasks.task import Task
from tasks.trial import baseline_point, run_trial
from tasks.unlearners.training_time.sisa import Sisa
from tasks.workbench import Workbench

CKA = "cka_to_original_gap"
INSIDE = [
    n
    for n in list_on_request()
    if metric_named(n).needs in ("model", "features") and not metric_named(n).package
]


def test_cka_is_one_after_a_rotation_and_a_scale_and_zero_of_noise() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 8)) * np.arange(1, 9)
    rotation = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    assert linear_cka(x, 3 * x @ rotation) == pytest.approx(1)
    assert linear_cka(x, x + 5) == pytest.approx(1), "it is centred"
    noise = [linear_cka(rng.normal(size=(60, 40)), rng.normal(size=(60, 40))) for _ in range(50)]
    assert abs(np.mean(noise)) < 0.02, "the biased estimator has .4 here"
    assert linear_cka(x, np.ones((200, 3))) == 0.0


def test_unbiased_cka_tends_to_the_plain_one() -> None:
    """‖X̃ᵀỸ‖² / (‖X̃ᵀX̃‖ ‖ỸᵀỸ‖) for many examples."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(3000, 5))
    y = x @ rng.normal(size=(5, 4)) + 2 * rng.normal(size=(3000, 4))
    a, b = x - x.mean(0), y - y.mean(0)
    plain = np.linalg.norm(a.T @ b) ** 2 / np.linalg.norm(a.T @ a) / np.linalg.norm(b.T @ b)
    assert linear_cka(x, y) == pytest.approx(plain, abs=0.003)


def test_neighbours_are_scikit_learns() -> None:
    from sklearn.neighbors import KNeighborsClassifier

    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(300, 6)), rng.integers(0, 4, 300)
    asked = rng.normal(size=(80, 6))
    theirs = KNeighborsClassifier(5, metric="cosine").fit(features, labels).predict(asked)
    assert (neighbour_predictions(features, labels, asked) == theirs).all()


@pytest.mark.parametrize("bits", [8, 4, 3, 2])
def test_rounding_moves_no_weight_by_more_than_half_a_step_and_once(bits: int) -> None:
    weight = torch.randn(6, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    rounded = quantise(weight, bits)
    step = weight.flatten(1).abs().amax(1) / (2 ** (bits - 1) - 1)
    assert ((rounded - weight).abs().flatten(1).amax(1) <= step / 2 + 1e-6).all()
    torch.testing.assert_close(quantise(rounded, bits), rounded)
    assert all(len(channel.unique()) <= 2**bits - 1 for channel in rounded)


def test_thirty_two_bits_are_as_good_as_all() -> None:
    weight = torch.randn(4, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(quantise(weight, 32), weight, atol=1e-8, rtol=0)
    assert (quantise(torch.zeros(2, 3), 4) == 0).all()


def line(weights: torch.Tensor) -> nn.Module:
    """Two classes, whose logits differ by wᵀx."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(weights.numel(), 2, bias=False))
    model[1].weight.data = torch.stack([torch.zeros_like(weights), weights])
    return model


def attacked(model: nn.Module, x: torch.Tensor, eps: float, steps: int) -> torch.Tensor:
    bounds, size = (torch.zeros(1), torch.ones(1)), torch.tensor(eps)
    rng, y = torch.Generator().manual_seed(0), torch.ones(len(x), dtype=torch.long)
    return attack(model, x, y, size, bounds=bounds, steps=steps, rng=rng)


@pytest.mark.parametrize("steps", [1, 20])
def test_an_attack_lowers_a_linear_margin_by_exactly_epsilon_times_the_weights_sum(
    steps: int,
) -> None:
    weights = torch.randn(16, generator=torch.Generator().manual_seed(1))
    x = 0.5 + 0.1 * torch.rand(7, 1, 4, 4, generator=torch.Generator().manual_seed(2))
    before, after = (
        each.flatten(1) @ weights for each in (x, attacked(line(weights), x, 0.1, steps))
    )
    torch.testing.assert_close(before - after, torch.full((7,), 0.1 * float(weights.abs().sum())))


@pytest.mark.parametrize("steps", [1, 5])
def test_an_attack_stays_within_its_reach_and_the_pixels(steps: int) -> None:
    weights = torch.randn(16, generator=torch.Generator().manual_seed(1))
    x = torch.rand(7, 1, 4, 4, generator=torch.Generator().manual_seed(2))
    moved = attacked(line(weights), x, 0.3, steps)
    assert 0 <= float(moved.min()) <= float(moved.max()) <= 1
    assert float((moved - x).abs().max()) <= 0.3 + 1e-6
    torch.testing.assert_close(attacked(line(weights), x, 0.0, steps), x)


def pictures(channels: int) -> np.ndarray:
    """Smooth pictures with some detail."""
    rng, axis = np.random.default_rng(0), np.linspace(0, 3, 32)
    waves = np.sin(axis[:, None] + axis) * 60 + 128
    return (waves + rng.normal(0, 20, (6, channels, 32, 32))).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", list(CORRUPTIONS))
def test_a_corruption_keeps_the_form_and_grows_with_severity(name: str, channels: int) -> None:
    images = pictures(channels)
    changed = [corrupt(name, images, severity) for severity in SEVERITIES]
    assert all(c.dtype == np.uint8 and c.shape == images.shape for c in changed)
    moved = [np.abs(c.astype(int) - images.astype(int)).mean() for c in changed]
    assert moved[0] > 0
    assert all(a <= b * 1.02 for a, b in itertools.pairwise(moved))
    assert (corrupt(name, images, 3) == changed[2]).all(), "the same draws for every model"


def test_constants_are_those_of_cifar_10_c() -> None:
    flat = np.full((40, 3, 32, 32), 128, np.uint8)
    for severity, sigma in zip(SEVERITIES, GAUSSIAN, strict=True):
        noise = corrupt("gaussian_noise", flat, severity).astype(float) - 128
        assert noise.std() / 255 == pytest.approx(sigma, rel=0.01)
    assert (corrupt("contrast", flat, 5) == flat).all()
    assert (corrupt("brightness", flat, 2) == 128 + 25 + 1).all()
    assert np.mean(corrupt("impulse_noise", flat, 5) != 128) == pytest.approx(0.07, abs=0.002)
    half = np.full((1, 1, 32, 32), 100, np.uint8)
    half[..., 16:] = 200
    assert set(np.unique(corrupt("contrast", half, 4))) == {135, 165}


def test_small_images_get_what_leaves_something_to_see() -> None:
    assert "jpeg" in list_corruptions(32)
    assert set(list_corruptions(8)) == {*list_corruptions(32)} - {
        "gaussian_blur",
        "pixelate",
        "jpeg",
        "zoom_blur",
    }


def test_the_original_relearns_at_once_and_a_blank_model_does_not(judged: Workbench) -> None:
    x, y = judged.forget.take(torch.arange(len(judged.forget)))
    original = judged.model(judged.artifact(ORIGINAL))[0]
    assert count_steps(original, judged.forget, (x, y), 0.9) == 0
    retrained = judged.model(judged.artifact(RETRAINED))[0]
    few = count_steps(retrained, judged.forget, (x, y), 0.5)
    assert 0 < few < 200
    assert float((retrained.eval()(x).argmax(1) == y).float().mean()) >= 0.5


def sham(judged: Workbench) -> Network:
    """The original with one number changed: the bias of the forgotten class."""
    model = judged.model(judged.artifact(ORIGINAL))[0]
    model.head.bias.data[1] -= 50
    return model


@pytest.fixture(scope="module")
def seen(judged: Workbench) -> dict[str, dict[str, float | None]]:
    """What every look sees in the original, and some of them in a reference and in a sham."""
    original = judged.model(judged.artifact(ORIGINAL))[0]
    reference = judged.model(judged.artifact(RETRAINED))[0]
    return {
        "original": judged.evaluate(original, asked=INSIDE),
        "reference": judged.evaluate(reference, 0, asked=[CKA, "relearn_gap_tenth", "ain"]),
        "sham": judged.evaluate(sham(judged), asked=[CKA]),
    }


def test_every_look_sees_something(seen: dict[str, dict[str, float | None]]) -> None:
    values = seen["original"]
    assert {n for n in INSIDE if values[n] is None} <= {"ain"}, "a reference may know at once"
    assert all(np.isfinite(float(values[n] or 0)) for n in INSIDE)


def test_features_show_the_sham_that_outputs_hide(seen: dict[str, dict[str, float | None]]) -> None:
    assert seen["sham"]["test_accuracy_forgotten"] == 0.0
    same, reference = seen["original"][CKA], seen["reference"][CKA]
    assert seen["sham"][CKA] == pytest.approx(same, abs=1e-6)
    assert same > 0  # type: ignore[operator]
    assert same > reference  # type: ignore[operator]


def test_the_original_is_worse_than_a_reference_where_knowledge_is_left(
    seen: dict[str, dict[str, float | None]],
) -> None:
    gap = seen["original"]["relearn_gap_tenth"]
    assert gap > abs(seen["reference"]["relearn_gap_tenth"])  # type: ignore[operator,arg-type]
    assert seen["original"]["ain"] < 0.1  # type: ignore[operator]
    assert 0.3 < seen["reference"]["ain"] < 3  # type: ignore[operator]


def test_a_look_leaves_the_model_as_it_was(judged: Workbench) -> None:
    model = judged.model(judged.artifact(ORIGINAL))[0]
    model.train()
    before = copy.deepcopy(model.state_dict())
    judged.evaluate(model, asked=["relearn_gap_tenth", "quantised_3_bit_gap", "pgd_gap", "zrf"])
    assert model.training
    assert all(p.grad is None for p in model.parameters())
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


def test_looks_see_an_ensemble(digits: Dataset, tmp_path: Path) -> None:
    """Those that train or round a copy once failed on its further members."""
    train = LabelledImages(digits.train.images[:300], digits.train.labels[:300])
    few = dataclasses.replace(digits, train=train)
    task = Task.named("digits-class:1", "small-cnn", recipe="epochs=4")
    bench = Workbench(task, few, tmp_path, torch.device("cpu"))
    use_references(bench, 2)
    asked = ["quantised_4_bit_gap", "relearn_gap_tenth", "ain", CKA, "zrf"]
    *_, point = run_trial(bench, Sisa(), 0, asked=asked)
    assert all(np.isfinite(point.metrics[name]) for name in asked)  # type: ignore[arg-type]
    ensemble = point.model
    assert ensemble is not None
    copied = bench._look_inside(ensemble, None).copy(ensemble)
    assert len([*copied.parameters()]) == 5 * len([*bench.fresh_model().parameters()])
    x = bench.forget.sample(20, torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(copied(x), ensemble.eval()(x), rtol=0, atol=0)
        quantise_model(copied, 3)
        assert not torch.equal(copied(x), ensemble(x))


def test_a_rounded_model_is_another_one(judged: Workbench) -> None:
    model = judged.model(judged.artifact(ORIGINAL))[0]
    x = judged.forget.sample(20, torch.Generator().manual_seed(0))
    before = model(x).detach()
    quantise_model(model, 3)
    assert float(F.mse_loss(model(x).detach(), before)) > 0


def test_without_references_there_is_no_gap(judged: Workbench) -> None:
    model = judged.model(judged.artifact(ORIGINAL))[0]
    alone = dataclasses.replace(judged.outputs(model), inside=judged._look_inside(model, None))
    assert alone.inside is not None
    alone = dataclasses.replace(alone, inside=dataclasses.replace(alone.inside, count=0))
    found = {name: metric_named(name)(alone) for name in INSIDE}
    assert {name for name, value in found.items() if value is not None} == {"zrf"}


def test_run_time_efficiency_is_how_often_a_trial_fits_in_a_retrain(judged: Workbench) -> None:
    assert judged.references is not None
    retrain = judged.references.mean_busy_seconds
    assert judged.run_time_efficiency(retrain / 8) == pytest.approx(8)
    assert judged.run_time_efficiency(0.0) is None
    point = baseline_point(judged, judged.artifact(RETRAINED), trained_for_this=True)
    assert point.cost.run_time_efficiency == pytest.approx(1, abs=0.9)
    original = baseline_point(judged, judged.artifact(ORIGINAL), trained_for_this=False)
    assert original.cost.run_time_efficiency is None
