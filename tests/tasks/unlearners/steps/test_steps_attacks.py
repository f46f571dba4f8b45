"""Adversarial images, mixed batches, labels and schedules, against closed forms in float64."""

from __future__ import annotations

import math

import pytest
import torch
from tiny_problem import LinearModel, everything, linear_problem
from torch import Tensor
from torch.nn import functional as F

from tasks.compute.meters import CostMeter
from tasks.problem import Problem
from tasks.unlearners.base import trainable
from tasks.unlearners.steps.attacks import (
    fast_gradient_sign,
    nearest_adversary,
    projected_gradient,
)
from tasks.unlearners.steps.batches import random_labels
from tasks.unlearners.steps.distillation import entropy, soft_targets, without_class
from tasks.unlearners.steps.importance import summed_gradient
from tasks.unlearners.steps.schedules import cosine, set_learning_rate
from tasks.workbench import Workbench

Pixels = tuple[Tensor, Tensor]


@pytest.fixture
def rng() -> torch.Generator:
    """A generator of the test's own."""
    return torch.Generator().manual_seed(0)


@pytest.fixture
def problem() -> Problem:
    """Three classes, images of 1x1x3 pixels."""
    return linear_problem()


@pytest.fixture
def pixels() -> Pixels:
    """Black and white of two channels that are normalised differently."""
    black, white = torch.tensor([-1.0, -2.0]), torch.tensor([3.0, 1.0])
    return black.double().view(1, 2, 1, 1), white.double().view(1, 2, 1, 1)


@pytest.fixture
def model(rng: torch.Generator) -> LinearModel:
    """Two classes of images 2x1x1."""
    made = LinearModel(2, 2)
    with torch.no_grad():
        for p in made.parameters():
            p.copy_(torch.randn(p.shape, generator=rng, dtype=torch.float64))
    return made.requires_grad_(False)


def as_images(u: Tensor, pixels: Pixels) -> Tensor:
    """Normalise pixels in [0, 1]."""
    return pixels[0] + (pixels[1] - pixels[0]) * u


def as_pixels(x: Tensor, pixels: Pixels) -> Tensor:
    """The inverse."""
    return (x - pixels[0]) / (pixels[1] - pixels[0])


def drawn_pixels(rng: torch.Generator, count: int, low: float, high: float) -> Tensor:
    """Uniform pixels (N, 2, 1, 1) in float64."""
    return low + (high - low) * torch.rand(count, 2, 1, 1, generator=rng, dtype=torch.float64)


def test_the_fast_gradient_sign_moves_each_pixel_by_the_radius_within_the_range(
    model: LinearModel, pixels: Pixels, rng: torch.Generator
) -> None:
    """The gradient of a linear model's loss is (p − onehot) W; the radius is one of pixels, not of images."""
    u, y = drawn_pixels(rng, 20, 0, 1), torch.randint(2, (20,), generator=rng)
    x = as_images(u, pixels)
    found = fast_gradient_sign(model, x, y, 0.1, pixels)
    error = model(x).softmax(1) - F.one_hot(y, 2)
    moved = (u.flatten(1) + 0.1 * (error @ model.head.weight).sign()).clamp(0, 1)
    rounded = (moved * 255).round() / 255
    torch.testing.assert_close(as_pixels(found, pixels).flatten(1), rounded, rtol=0, atol=1e-12)
    assert ((moved == 0) | (moved == 1)).any(), "some are clipped"


@pytest.mark.parametrize("targeted", [False, True])
def test_projected_gradients_go_straight_to_the_edge_of_the_ball(
    model: LinearModel, pixels: Pixels, rng: torch.Generator, targeted: bool
) -> None:
    """Of two classes and a linear model: the gradient's direction is one for all images of a class."""
    u, y = drawn_pixels(rng, 8, 0.45, 0.55), torch.randint(2, (8,), generator=rng)
    found = projected_gradient(
        model, as_images(u, pixels), y, radius=0.2, step=0.03, steps=10, pixels=pixels, targeted=targeted
    )  # fmt: skip
    toward = (model.head.weight[0] - model.head.weight[1]) * (pixels[1] - pixels[0]).flatten()
    away = torch.where(y == 1, 1.0, -1.0).double()[:, None] * toward / toward.norm()
    expected = u.flatten(1) + (-0.2 if targeted else 0.2) * away
    torch.testing.assert_close(as_pixels(found, pixels).flatten(1), expected)


def test_projected_gradients_stay_in_the_range(model: LinearModel, pixels: Pixels) -> None:
    u, y = torch.rand(30, 2, 1, 1).double(), torch.zeros(30, dtype=torch.int64)
    found = projected_gradient(
        model, as_images(u, pixels), y, radius=5.0, step=1.0, steps=4, pixels=pixels
    )
    reached = as_pixels(found, pixels)
    assert reached.min() > -1e-12
    assert reached.max() < 1 + 1e-12


def test_the_nearest_adversary_has_the_first_radius_that_reaches_the_boundary(
    model: LinearModel, pixels: Pixels, rng: torch.Generator
) -> None:
    """The distance to a linear boundary is known: |w·x + b| / ‖w‖, in pixels."""
    scale = (pixels[1] - pixels[0]).flatten()
    normal = (model.head.weight[0] - model.head.weight[1]) * scale
    u = drawn_pixels(rng, 40, 0.3, 0.7)
    logits = model(as_images(u, pixels))
    y, distance = logits.argmax(1), (logits[:, 0] - logits[:, 1]).abs() / normal.norm()
    near = distance < 0.25  # the ball stays inside the range
    assert near.sum() > 5
    u, y, distance = u[near], y[near], distance[near]
    found, labels, radii = nearest_adversary(
        model, as_images(u, pixels), y, radius=0.01, steps=12, pixels=pixels
    )
    expected = 0.01 * 2.0 ** (distance / 0.01).log2().clamp(min=0).ceil()
    torch.testing.assert_close(radii, expected)
    assert torch.equal(labels, 1 - y)
    assert torch.equal(model(found).argmax(1), labels)
    assert ((as_pixels(found, pixels) - u).flatten(1).norm(dim=1) <= radii + 1e-12).all()


def test_an_image_that_is_wrong_already_is_its_own_adversary(
    model: LinearModel, pixels: Pixels
) -> None:
    x = as_images(torch.rand(6, 2, 1, 1).double(), pixels)
    y = 1 - model(x).argmax(1)
    found, labels, _ = nearest_adversary(model, x, y, radius=0.01, steps=5, pixels=pixels)
    torch.testing.assert_close(found, x)
    assert torch.equal(labels, 1 - y)


def test_an_attack_gives_up_on_a_model_that_never_changes_its_mind(
    model: LinearModel, pixels: Pixels
) -> None:
    with torch.no_grad():
        model.head.weight.zero_()
    x, y = as_images(torch.rand(3, 2, 1, 1).double(), pixels), model.head.bias.argmax().repeat(3)
    _, labels, _ = nearest_adversary(model, x, y, radius=0.01, steps=2, pixels=pixels)
    assert torch.equal(labels, y)


def test_attacks_cost_a_gradient_sample_an_image_and_step(
    model: LinearModel, pixels: Pixels, rng: torch.Generator
) -> None:
    """Also on a teacher, whose weights are frozen; and no weight gets a gradient."""
    meter = CostMeter(model)
    x, y = as_images(drawn_pixels(rng, 7, 0, 1), pixels), torch.randint(2, (7,), generator=rng)
    fast_gradient_sign(model, x, y, 0.1, pixels)
    assert (meter.gradient_samples, meter.forward_samples) == (7, 0)
    projected_gradient(model, x, y, radius=1.0, step=0.1, steps=5, pixels=pixels)
    assert (meter.gradient_samples, meter.forward_samples) == (7 + 5 * 7, 0)
    already_wrong = 1 - model(x).argmax(1)
    before = meter.gradient_samples
    nearest_adversary(model, x, already_wrong, radius=0.01, steps=5, pixels=pixels)
    assert meter.gradient_samples == before + 7, "who is wrong is not attacked any more"
    model.requires_grad_(True)
    fast_gradient_sign(model, x, y, 0.1, pixels)
    assert all(p.grad is None for p in model.parameters())


def test_the_pixel_range_bounds_all_images_and_is_reached(bench: Workbench) -> None:
    x, _ = next(bench.retain.ordered())
    black, white = bench.retain.pixel_range
    assert float(x.min()) == pytest.approx(float(black))
    assert float(x.max()) <= float(white)
    assert float(white - black) == pytest.approx(1 / bench.dataset.std[0], rel=1e-6)


def test_a_split_gives_its_labels_and_the_examples_at_positions(bench: Workbench) -> None:
    batches = list(bench.retain.ordered())
    x, y = (torch.cat(parts) for parts in zip(*batches, strict=True))
    assert torch.equal(bench.retain.labels(), y)
    chosen = torch.tensor([5, 0, 700, 5])
    images, labels = bench.retain.take(chosen)
    assert torch.equal(images, x[chosen])
    assert torch.equal(labels, y[chosen])


def test_random_labels_are_uniform_over_all_classes(rng: torch.Generator) -> None:
    drawn = random_labels(torch.full((8000,), 2), 4, rng)
    counts = torch.bincount(drawn, minlength=4)
    assert counts.shape == (4,)
    assert ((counts - 2000).abs() < 200).all()


def test_without_a_class_it_has_none_and_the_others_keep_their_ratios(rng: torch.Generator) -> None:
    logits = torch.randn(6, 5, generator=rng, dtype=torch.float64)
    y = torch.randint(5, (6,), generator=rng)
    found, p = without_class(logits, y), logits.softmax(1)
    own = F.one_hot(y, 5).bool()
    assert (found[own] == 0).all()
    expected = p.masked_fill(own, 0)
    torch.testing.assert_close(found, expected / expected.sum(1, keepdim=True))


def test_entropy_is_log_of_the_number_of_equal_classes() -> None:
    logits = torch.tensor([[0.0, 0.0, 0.0, 0.0], [0.0, 0.0, -1e9, -1e9]]).double()
    expected = torch.tensor([math.log(4), math.log(2)]).double()
    torch.testing.assert_close(entropy(logits), expected)


def test_soft_targets_are_forward_samples_of_an_unchanged_teacher(problem: Problem) -> None:
    x, _ = next(problem.retain.ordered())
    meter = CostMeter(problem.model)
    found = soft_targets(problem.model, x, 2.0)
    assert not found.requires_grad
    assert (meter.gradient_samples, meter.forward_samples) == (0, len(x))
    torch.testing.assert_close(found, (problem.model(x) / 2).softmax(1))


def test_summed_gradients_cancel(problem: Problem) -> None:
    x, y = everything(problem.retain)
    batches = [(x[:5], y[:5]), (x[5:], y[5:])]
    found = summed_gradient(problem.model, batches)
    opposite = summed_gradient(
        problem.model, batches, lambda logits, y: -F.cross_entropy(logits, y)
    )
    losses = sum(F.cross_entropy(problem.model(a), b) for a, b in batches)
    expected = torch.autograd.grad(losses, trainable(problem.model))  # type: ignore[arg-type]
    torch.testing.assert_close(tuple(found), expected)
    torch.testing.assert_close([-g for g in opposite], found)


def test_a_cosine_falls_from_start_to_end() -> None:
    assert [cosine(3.0, p, 1.0) for p in (0.0, 0.5, 1.0, 1.2)] == pytest.approx([3, 2, 1, 1])
    assert cosine(1.0, 1 / 3) == pytest.approx(0.75)


def test_the_learning_rate_is_set_in_every_group() -> None:
    groups = [{"params": [torch.zeros(1, requires_grad=True)], "lr": lr} for lr in (1.0, 2.0)]
    optimizer = torch.optim.SGD(groups)
    set_learning_rate(optimizer, 0.5)
    assert [g["lr"] for g in optimizer.param_groups] == [0.5, 0.5]
