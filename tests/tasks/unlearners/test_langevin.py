"""Known answers of Langevin unlearning, in float64: gradients of single examples, a step, its noise, and the ball."""

from __future__ import annotations

import math

import pytest
import torch
from tiny_problem import everything, linear_problem
from torch import nn
from torch.nn.functional import cross_entropy

from tasks.errors import InvalidValue
from tasks.models.network import Network
from tasks.models.own import wrap_function
from tasks.models.resnet9 import ResNet9
from tasks.models.small_cnn import SmallCNN
from tasks.needs import noisy_training
from tasks.needs.base import pick_state
from tasks.needs.noisy_training import (
    clip_and_average,
    differentiate_examples,
    project,
    take_noisy_step,
)
from tasks.trial import run_trial
from tasks.unlearners.training_time.langevin import Langevin
from tasks.workbench import Workbench


def made_up(model: Network, *shape: int) -> tuple[Network, torch.Tensor, torch.Tensor]:
    """A model in float64 with other statistics than a new one, and seven examples."""
    rng = torch.Generator().manual_seed(0)
    model.initialise(torch.randn(9, *shape, generator=rng), rng)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(generator=rng)  # type: ignore[union-attr]
            layer.running_var.uniform_(0.5, 2.0, generator=rng)  # type: ignore[union-attr]
    x = torch.randn(7, *shape, generator=rng, dtype=torch.float64)
    return model.double().eval(), x, torch.randint(0, 10, (7,), generator=rng)


def by_autograd(model: Network, x: torch.Tensor, y: torch.Tensor) -> list[list[torch.Tensor]]:
    """The gradient of each example by itself."""
    weights = [p for p in model.parameters() if p.requires_grad]
    pairs = zip(x.split(1), y.split(1), strict=True)
    return [list(torch.autograd.grad(cross_entropy(model(a), b), weights)) for a, b in pairs]


def padding(channels: int, classes: int) -> nn.Module:
    """A model whose convolutions pad images in other ways than with a number of zeros."""
    return nn.Sequential(
        nn.Conv2d(channels, 3, 3, padding="same"), nn.ReLU(),
        nn.Conv2d(3, 4, 3, padding=1, padding_mode="circular"), nn.Flatten(), nn.Linear(256, classes),
    )  # fmt: skip


@pytest.mark.parametrize(
    "family",
    [SmallCNN(1, 10), ResNet9(3, 10, 0.1), wrap_function(padding)(1, 10)],
    ids=["small", "resnet9", "padding"],
)
def test_gradients_of_single_examples_are_those_of_autograd(family: Network) -> None:
    shape = (3, 32, 32) if isinstance(family, ResNet9) else (1, 8, 8)
    model, x, y = made_up(family, *shape)
    found = differentiate_examples(model, x, y)
    weights = [p for p in model.parameters() if p.requires_grad]
    assert set(found) == set(weights)
    for i, gradients in enumerate(by_autograd(model, x, y)):
        for weight, gradient in zip(weights, gradients, strict=True):
            torch.testing.assert_close(found[weight][i], gradient, rtol=0, atol=1e-12)


@pytest.mark.parametrize("at_once", [3, 1000])
def test_long_gradients_are_clipped_and_short_ones_are_not(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the median norm; the same whether examples are passed three at a time or all at once."""
    model, x, y = made_up(SmallCNN(1, 10), 1, 8, 8)
    count = sum(p.numel() for p in model.parameters())
    monkeypatch.setattr(noisy_training, "MOST_NUMBERS", at_once * count)
    each = by_autograd(model, x, y)
    norms = [math.sqrt(sum(float(g.square().sum()) for g in gradients)) for gradients in each]
    clip = sorted(norms)[3]
    factors = [min(1.0, clip / norm) for norm in norms]
    assert sum(f < 1 for f in factors) == 3
    for i, found in enumerate(clip_and_average(model, x, y, clip)):
        mean = sum(f * gradients[i] for f, gradients in zip(factors, each, strict=True)) / 7
        torch.testing.assert_close(found, mean, rtol=0, atol=1e-12)


def test_a_batch_norm_in_training_mode_is_refused() -> None:
    model, x, y = made_up(SmallCNN(1, 10), 1, 8, 8)
    with pytest.raises(InvalidValue, match=r"not for BatchNorm2d as it is here; valid: Linear"):
        differentiate_examples(model.train(), x, y)


def test_a_step_of_logistic_regression_in_closed_form() -> None:
    """∇ of W is (p − e_y) xᵀ, and its norm with the bias |p − e_y|·√(|x|² + 1)."""
    problem = linear_problem()
    model, (x, y) = problem.model, everything(problem.retain)
    weight, bias = (p.detach().clone() for p in model.parameters())
    error = (x @ weight.T + bias).softmax(1) - torch.eye(3, dtype=torch.float64)[y]
    norms = error.norm(dim=1) * (x.square().sum(1) + 1).sqrt()
    clip = float(norms.median())
    scale = (clip / norms).clamp(max=1.0)[:, None]
    gradient = [(scale * error).T @ x / len(x), (scale * error).mean(0)]
    images, labels = next(iter(problem.retain.ordered(100)))
    rng, again = (torch.Generator().manual_seed(5) for _ in range(2))
    found = clip_and_average(model, images, labels, clip)
    take_noisy_step(list(model.parameters()), found, 0.3, 0.1, rng)
    for before, slope, now in zip((weight, bias), gradient, model.parameters(), strict=True):
        noise = torch.randn(before.shape, generator=again, dtype=torch.float64)
        wanted = before - 0.3 * slope + math.sqrt(2 * 0.3 * 0.1**2) * noise
        torch.testing.assert_close(now.data, wanted, rtol=0, atol=1e-12)


def test_the_stationary_variance_of_a_quadratic() -> None:
    """w ← w − ηmw + √(2ησ²)ξ has the variance 2ησ² / (1 − (1 − ηm)²) in the end, here of 50,000 chains."""
    rng, lr, sigma, m = torch.Generator().manual_seed(0), 0.2, 0.7, 1.5
    w = torch.zeros(50_000, dtype=torch.float64)
    for _ in range(40):
        take_noisy_step([w], [m * w], lr, sigma, rng)
    wanted = 2 * lr * sigma**2 / (1 - (1 - lr * m) ** 2)
    assert float(w.var()) == pytest.approx(wanted, rel=0.03)
    assert abs(float(w.mean())) < 5 * math.sqrt(wanted / len(w))


def test_the_projection_is_onto_the_ball_and_leaves_what_is_in_it() -> None:
    inside = [torch.tensor([3.0, 0.0]), torch.tensor([[0.0], [4.0]])]
    for radius in (5.0, 7.0):
        project(inside, radius)
        assert [w.flatten().tolist() for w in inside] == [[3.0, 0.0], [0.0, 4.0]]
    project(inside, 2.5)
    assert [w.flatten().tolist() for w in inside] == [[1.5, 0.0], [0.0, 2.0]]


def test_it_goes_on_from_the_noisy_training_and_reads_the_retain_set(bench: Workbench) -> None:
    """BatchNorm's statistics are those of a new model: no image is in them."""
    start = pick_state(bench.artifact("noisy_training").state, "model")
    points = list(run_trial(bench, Langevin(epochs=2), 0))
    assert [p.cost.gradient_samples for p in points] == [len(bench.retain), 2 * len(bench.retain)]
    assert points[0].cost.preparation_cost == pytest.approx(
        1 + len(bench.forget) / len(bench.retain)
    )
    found = points[-1].model.state_dict()  # type: ignore[union-attr]
    buffers = dict(bench.fresh_model().named_buffers())
    assert all(torch.equal(found[name], start[name]) for name in buffers)
    assert all(torch.equal(start[name], buffer) for name, buffer in buffers.items())
    weights = set(found) - set(buffers)
    assert all(not torch.equal(found[name], start[name]) for name in weights)


def test_the_noisy_training_knows_the_digits(bench: Workbench) -> None:
    model = bench.fresh_model()
    model.load_state_dict(pick_state(bench.artifact("noisy_training").state, "model"))
    assert bench.evaluate(model)["retain_accuracy"] > 0.9  # type: ignore[operator]
