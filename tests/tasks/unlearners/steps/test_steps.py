"""Steps that methods share, against closed forms and torch's own derivatives in float64."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.models import MODELS, model_class
from tasks.models.network import Network
from tasks.models.resnet9 import ResNet9
from tasks.roles import ORIGINAL
from tasks.unlearners.base import trainable
from tasks.unlearners.steps.batch_norm import frozen_batch_norm, kept_buffers
from tasks.unlearners.steps.curvature import hessian_vector_product
from tasks.unlearners.steps.distillation import kl_divergence
from tasks.unlearners.steps.gradients import without_conflict
from tasks.unlearners.steps.importance import importance
from tasks.unlearners.steps.masks import top_mask
from tasks.workbench import Workbench


class Linear(Network):
    """Logits W x + b of flat inputs (N, D), in float64."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.head = nn.Linear(inputs, classes).double()

    def logits(self, x: Tensor) -> Tensor:
        return self.head(x)


@pytest.fixture
def rng() -> torch.Generator:
    """A generator of the test's own."""
    return torch.Generator().manual_seed(0)


def drawn(rng: torch.Generator, *shape: int) -> Tensor:
    """Normal numbers in float64."""
    return torch.randn(*shape, generator=rng, dtype=torch.float64)


@pytest.fixture
def linear(rng: torch.Generator) -> Linear:
    """A linear model with drawn weights."""
    model = Linear(4, 3)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(drawn(rng, *p.shape))
    return model


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_kl_divergence_is_the_batch_s_mean_of_the_sum_over_classes(
    rng: torch.Generator, temperature: float
) -> None:
    """Torch's default reduction also divides by the number of classes."""
    student, target = drawn(rng, 6, 5), drawn(rng, 6, 5).softmax(1)
    log_student = (student / temperature).log_softmax(1)
    expected = temperature**2 * (target * (target.log() - log_student)).sum() / 6
    torch.testing.assert_close(kl_divergence(student, target, temperature), expected)


def test_kl_divergence_is_zero_with_no_gradient_at_its_target(rng: torch.Generator) -> None:
    student = drawn(rng, 6, 5).requires_grad_()
    loss = kl_divergence(student, (student.detach() / 3).softmax(1), 3.0)
    loss.backward()
    torch.testing.assert_close(loss.detach(), torch.zeros_like(loss))
    torch.testing.assert_close(student.grad, torch.zeros_like(student))


def test_kl_divergence_takes_targets_that_are_zero(rng: torch.Generator) -> None:
    student, target = drawn(rng, 2, 3), torch.tensor([[0.0, 1.0, 0.0], [0.5, 0.5, 0.0]]).double()
    log_student = student.log_softmax(1)
    expected = (-log_student[0, 1] + torch.tensor(0.5).log() - log_student[1, :2].mean()) / 2
    torch.testing.assert_close(kl_divergence(student, target), expected)


def test_importance_of_single_examples_is_the_empirical_fisher(
    rng: torch.Generator, linear: Linear
) -> None:
    """The gradient of a softmax's cross-entropy is (p − onehot) xᵀ."""
    x, y = drawn(rng, 8, 4), torch.randint(3, (8,), generator=rng)
    error = linear(x).detach().softmax(1) - F.one_hot(y, 3)
    of_weights = (error.unsqueeze(2) * x.unsqueeze(1)).square().mean(0)
    weight, bias = importance(linear, zip(x.split(1), y.split(1), strict=True))
    torch.testing.assert_close(weight, of_weights)
    torch.testing.assert_close(bias, error.square().mean(0))


@pytest.mark.parametrize("power", [1, 2])
def test_importance_of_batches_is_of_their_mean_gradients(
    rng: torch.Generator, linear: Linear, power: int
) -> None:
    x, y = drawn(rng, 6, 4), torch.randint(3, (6,), generator=rng)
    batches = [(x[:2], y[:2]), (x[2:], y[2:])]
    gradients = [
        torch.autograd.grad(F.cross_entropy(linear(a), b), linear.head.bias) for a, b in batches
    ]
    expected = sum(g.abs().pow(power) for (g,) in gradients) / 2
    torch.testing.assert_close(importance(linear, batches, power=power)[1], expected)
    assert all(p.grad is None for p in linear.parameters())


def test_importance_takes_another_loss_such_as_the_norm_of_the_logits(
    rng: torch.Generator, linear: Linear
) -> None:
    x = drawn(rng, 5, 4)
    batches = [(x, torch.zeros(5, dtype=torch.int64))]
    found = importance(linear, batches, lambda logits, _: logits.square().sum(1).mean(), power=1)
    torch.testing.assert_close(found[1], (2 * linear(x).detach()).mean(0).abs())


@pytest.mark.parametrize("share", [0.0, 0.1, 0.33, 0.5, 1.0])
def test_the_top_mask_ranks_across_tensors(rng: torch.Generator, share: float) -> None:
    scores = [drawn(rng, 3, 5), 100 + drawn(rng, 4), drawn(rng, 2, 2, 2)]
    masks = top_mask(scores, share)
    assert [m.shape for m in masks] == [s.shape for s in scores]
    marked = torch.cat([s[m] for s, m in zip(scores, masks, strict=True)])
    others = torch.cat([s[~m] for s, m in zip(scores, masks, strict=True)])
    assert len(marked) == int(share * 27)
    assert not len(marked) or not len(others) or marked.min() > others.max()
    assert share < 0.33 or masks[1].all()


def test_the_top_mask_counts_right_among_equal_scores() -> None:
    (mask,) = top_mask([torch.zeros(10)], 0.3)
    assert mask.sum() == 3


def test_a_gradient_keeps_what_does_not_point_against_the_other(rng: torch.Generator) -> None:
    other = drawn(rng, 3, 4)
    across = drawn(rng, 3, 4)
    across -= (across * other).sum() / other.square().sum() * other
    torch.testing.assert_close(without_conflict(across - 2 * other, other), across)
    with_it = across + 2 * other
    assert without_conflict(with_it, other) is with_it
    zero = torch.zeros_like(other)
    assert torch.equal(without_conflict(other, zero), other)


def test_the_hessian_of_a_quadratic_times_a_vector(rng: torch.Generator) -> None:
    square = drawn(rng, 6, 6)
    hessian, point, vector = square @ square.T, drawn(rng, 6).requires_grad_(), drawn(rng, 6)
    loss = 0.5 * point @ hessian @ point + point.sum()
    for _ in range(2):  # the graph is kept
        (product,) = hessian_vector_product(loss, [point], [vector])
        torch.testing.assert_close(product, hessian @ vector)
    (linear,) = hessian_vector_product((3 * point).sum() + 0 * loss, [point], [vector])
    torch.testing.assert_close(linear, torch.zeros_like(vector))


def test_the_hessian_of_a_network_is_torch_s(rng: torch.Generator, linear: Linear) -> None:
    x, y = drawn(rng, 6, 4), torch.randint(3, (6,), generator=rng)
    weights = trainable(linear)
    vector = [drawn(rng, *w.shape) for w in weights]

    def loss(weight: Tensor, bias: Tensor) -> Tensor:
        return F.cross_entropy(F.linear(x, weight, bias), y)

    _, expected = torch.autograd.functional.hvp(loss, tuple(weights), tuple(vector))
    found = hessian_vector_product(F.cross_entropy(linear(x), y), weights, vector)
    torch.testing.assert_close(tuple(found), expected)


def test_batch_norm_is_frozen_in_the_block_alone(bench: Workbench, rng: torch.Generator) -> None:
    model = bench.model(bench.artifact(ORIGINAL))[0].train()
    before = copy.deepcopy(model.state_dict())
    x = bench.forget.sample(32, rng)
    with frozen_batch_norm(model):
        torch.testing.assert_close(model(x[:1]), model(x)[:1])  # examples do not mix
        assert model.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    model(x)
    assert any(not torch.equal(before[name], t) for name, t in model.state_dict().items())


def test_a_gradient_through_frozen_statistics_is_of_those_that_it_passed_with(
    rng: torch.Generator,
) -> None:
    """BatchNorm's backward pass reads the statistics again: a pass in training mode must not have moved them."""
    norm = nn.BatchNorm2d(2, momentum=0.5).double()
    x, other = (torch.randn(4, 2, 3, 3, generator=rng, dtype=torch.float64) for _ in range(2))
    x.requires_grad_()
    (expected,) = torch.autograd.grad(copy.deepcopy(norm).eval()(x).square().sum(), x)
    norm.train()
    with frozen_batch_norm(norm):
        loss = norm(x).square().sum()
    norm(5 + 3 * other)
    assert torch.autograd.grad(loss, x)[0].allclose(expected, rtol=1e-12, atol=0)


def test_kept_buffers_come_back_even_where_frozen_statistics_were_put_aside(
    rng: torch.Generator,
) -> None:
    norm = nn.BatchNorm1d(2)
    before = copy.deepcopy(norm.state_dict())
    with kept_buffers(norm):
        with frozen_batch_norm(norm):
            norm(torch.randn(4, 2, generator=rng))
        norm(torch.randn(4, 2, generator=rng))
    assert all(torch.equal(before[name], tensor) for name, tensor in norm.state_dict().items())


@pytest.mark.parametrize("name", list(MODELS))
def test_features_are_what_enters_the_head(name: str, rng: torch.Generator) -> None:
    model = model_class(name)[0](3, 10).eval()
    x = torch.randn(4, 3, 32, 32, generator=rng)
    features, logits = model.features_and_logits(x)
    assert features.shape == (4, model.head.in_features)
    assert torch.equal(logits, model(x))
    scale = 9 if issubclass(model_class(name)[0], ResNet9) else 1
    torch.testing.assert_close(model.head(features) / scale, logits)
    features.sum().backward()
    assert any(p.grad is not None for p in model.parameters()), "features carry gradients"
    assert model.head.weight.grad is None
    assert not model.head._forward_pre_hooks


@pytest.mark.parametrize("name", list(MODELS))
def test_a_reset_draws_a_part_anew_as_before_training_and_leaves_the_rest(
    name: str, rng: torch.Generator
) -> None:
    model = model_class(name)[0](3, 10)
    model.initialise(torch.randn(50, 3, 32, 32, generator=rng), rng)
    start = copy.deepcopy(model.state_dict())
    model.reset(model.head, torch.Generator().manual_seed(1))
    after = model.state_dict()
    changed = {n for n in start if not torch.equal(start[n], after[n])}
    assert {after[n].data_ptr() for n in changed} == {model.head.weight.data_ptr()}
    again = copy.deepcopy(model)
    again.reset(again.head, torch.Generator().manual_seed(1))
    assert torch.equal(again.head.weight, model.head.weight)


def test_a_reset_of_a_whole_model_keeps_its_whitening_and_its_identities(
    rng: torch.Generator,
) -> None:
    model = model_class("resnet9")[0](3, 10)
    model.initialise(torch.randn(50, 3, 32, 32, generator=rng), rng)
    whitening = model.whiten.weight.clone()
    second = model.groups[0].conv2
    with torch.no_grad():
        second.weight.zero_()
        model.groups[0].norm2.running_mean.fill_(7)
    model.reset(model, rng)
    assert torch.equal(model.whiten.weight, whitening)
    x = torch.randn(2, 64, 8, 8, generator=rng)
    torch.testing.assert_close(
        second(x), x, msg="a Dirac kernel of as many channels is the identity"
    )
    assert not model.groups[0].norm2.running_mean.any()
