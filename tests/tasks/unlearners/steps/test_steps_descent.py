"""Steps down a loss: masked ones and sharpness-aware ones, in float64."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.compute.adam import Adam
from tasks.compute.sgd import SGD
from tasks.errors import InvalidValue
from tasks.models.network import Network
from tasks.unlearners.base import descend, sgd, step, trainable
from tasks.unlearners.descent import Descent
from tasks.unlearners.steps.masks import name_masks, prunable, prune_smallest, salient_masks

EXACT = {"rtol": 0.0, "atol": 1e-10}


class Small(Network):
    """A convolution, BatchNorm and a head, in float64."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 2, 2).double()
        self.norm = nn.BatchNorm2d(2).double()
        self.head = nn.Linear(8, 3).double()

    def logits(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.norm(self.first(x))).flatten(1))


@pytest.fixture
def rng() -> torch.Generator:
    """A generator of the test's own."""
    return torch.Generator().manual_seed(0)


@pytest.fixture
def model(rng: torch.Generator) -> Small:
    """A model with drawn weights, in training mode."""
    model = Small()
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=rng, dtype=torch.float64))
    return model


@pytest.fixture
def batch(rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Six images of 3x3 and their labels."""
    x = torch.randn(6, 1, 3, 3, generator=rng, dtype=torch.float64)
    return x, torch.randint(3, (6,), generator=rng)


class Quadratic(nn.Module):
    """A point θ, for losses that can be written down."""

    def __init__(self, start: Tensor) -> None:
        super().__init__()
        self.point = nn.Parameter(start.clone())


@pytest.mark.parametrize("radius", [0.05, 1.0, 3.0])
def test_a_sharpness_aware_step_on_a_quadratic_is_the_closed_form(
    rng: torch.Generator, radius: float
) -> None:
    """L = ½ θᵀAθ: the gradient at θ + ρ g/‖g‖ is A θ + ρ A g/‖g‖, with g = A θ."""
    root = torch.randn(5, 5, generator=rng, dtype=torch.float64)
    a, start = root @ root.T, torch.randn(5, generator=rng, dtype=torch.float64)
    module = Quadratic(start)
    optimizer = Descent(SGD([module.point], lr=0.1), module, radius=radius)
    descend(optimizer, lambda: module.point @ a @ module.point / 2)
    g = a @ start
    expected = start - 0.1 * (g + radius * a @ g / g.norm())
    torch.testing.assert_close(module.point.detach(), expected, **EXACT)


@pytest.mark.parametrize("radius", [0.05, 1.0])
def test_a_sharpness_aware_step_takes_autograd_s_gradient_at_the_perturbed_point(
    model: Small, batch: tuple[Tensor, Tensor], radius: float
) -> None:
    """The norm is over all tensors together; each pass normalises the batch by itself."""
    (x, y), other = batch, copy.deepcopy(model)
    optimizer = Descent(sgd(model, 0.1, momentum=0.0), model, radius=radius)
    descend(optimizer, lambda: F.cross_entropy(model(x), y))
    weights = trainable(other)
    start = [w.detach().clone() for w in weights]
    up = torch.autograd.grad(F.cross_entropy(other(x), y), weights)
    norm = sum(g.square().sum() for g in up) ** 0.5
    with torch.no_grad():
        for w, g in zip(weights, up, strict=True):
            w.add_(radius * g / norm)
    there = torch.autograd.grad(F.cross_entropy(other(x), y), weights)
    for mine, w0, g in zip(trainable(model), start, there, strict=True):
        torch.testing.assert_close(mine.detach(), w0 - 0.1 * g, **EXACT)


def test_the_statistics_of_batch_norm_move_once_a_step(
    model: Small, batch: tuple[Tensor, Tensor]
) -> None:
    """They are those of the pass at θ, to the last bit."""
    (x, y), plain = batch, copy.deepcopy(model)
    descend(Descent(sgd(model, 0.1), model, radius=1.0), lambda: F.cross_entropy(model(x), y))
    descend(Descent(sgd(plain, 0.1), plain), lambda: F.cross_entropy(plain(x), y))
    assert int(model.norm.num_batches_tracked) == 1
    assert all(torch.equal(a, b) for a, b in zip(model.buffers(), plain.buffers(), strict=True))
    assert not torch.equal(model.head.weight, plain.head.weight)


def test_without_a_radius_and_masks_it_is_the_plain_step(
    model: Small, batch: tuple[Tensor, Tensor]
) -> None:
    (x, y), plain = batch, copy.deepcopy(model)
    ours = Descent(sgd(model, 0.1, weight_decay=0.1), model)
    theirs = torch.optim.SGD(trainable(plain), 0.1, momentum=0.9, weight_decay=0.1)
    for number in range(4):
        if number % 2:
            descend(ours, lambda: F.cross_entropy(model(x), y))
        else:
            step(ours, F.cross_entropy(model(x), y))
        step(theirs, F.cross_entropy(plain(x), y))
    pairs = zip(model.state_dict().values(), plain.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_flat_loss_is_no_division_by_zero(rng: torch.Generator) -> None:
    module = Quadratic(torch.zeros(3, dtype=torch.float64))
    descend(
        Descent(SGD([module.point], lr=0.1), module, radius=0.5),
        lambda: module.point.square().sum(),
    )
    assert module.point.tolist() == [0, 0, 0]


@pytest.mark.parametrize("radius", [0.0, 0.5])
@pytest.mark.parametrize("kind", ["sgd", "adam"])
def test_a_masked_step_moves_nothing_else_to_the_last_bit(
    model: Small, batch: tuple[Tensor, Tensor], rng: torch.Generator, radius: float, kind: str
) -> None:
    """Weight decay and momentum would; where the mask is true, the first step is the plain one."""
    (x, y), plain, start = batch, copy.deepcopy(model), copy.deepcopy(model)
    masks = [torch.rand(p.shape, generator=rng) > 0.5 for p in trainable(model)]

    def make(of: Small) -> SGD | Adam:
        return sgd(of, 0.1, weight_decay=0.1) if kind == "sgd" else Adam(trainable(of), 0.1, 0.1)

    masked = Descent(make(model), model, name_masks(model, masks), radius)
    descend(masked, lambda: F.cross_entropy(model(x), y))
    if not radius:
        descend(Descent(make(plain), plain), lambda: F.cross_entropy(plain(x), y))
        for mine, theirs, mask in zip(trainable(model), trainable(plain), masks, strict=True):
            assert torch.equal(mine[mask], theirs[mask])
    for _ in range(3):
        descend(masked, lambda: F.cross_entropy(model(x), y))
    for mine, before, mask in zip(trainable(model), trainable(start), masks, strict=True):
        assert torch.equal(mine[~mask], before[~mask])
        assert (mine[mask] != before[mask]).all()


def test_gradients_that_cannot_be_made_again_are_refused(
    model: Small, batch: tuple[Tensor, Tensor]
) -> None:
    """A plug-in from before steps along a loss that is computed already."""
    x, y = batch
    with pytest.raises(InvalidValue, match=r"sam=0\.1: .*descend\(\).*valid: 0"):
        step(Descent(sgd(model, 0.1), model, radius=0.1), F.cross_entropy(model(x), y))


def test_saliency_marks_the_highest_summed_gradients_in_evaluation_mode(
    model: Small, batch: tuple[Tensor, Tensor]
) -> None:
    x, y = batch
    before = [b.clone() for b in model.buffers()]
    masks = salient_masks(model, [(x[:4], y[:4]), (x[4:], y[4:])], 0.4)
    assert model.training
    assert all(torch.equal(a, b) for a, b in zip(before, model.buffers(), strict=True))
    model.eval()
    loss = F.cross_entropy(model(x[:4]), y[:4]) + F.cross_entropy(model(x[4:]), y[4:])
    scores = torch.cat([g.abs().flatten() for g in torch.autograd.grad(loss, trainable(model))])
    marked = torch.cat([m.flatten() for m in masks.values()])
    assert list(masks) == [name for name, _ in model.named_parameters()]
    assert marked.sum() == int(0.4 * len(scores))
    assert scores[marked].min() >= scores[~marked].max()


def test_pruning_leaves_the_largest_weights_and_all_biases_and_norms(model: Small) -> None:
    start = copy.deepcopy(model)
    masks = prune_smallest(model, 0.25)
    assert list(masks) == ["first.weight", "head.weight"]
    after, before = (torch.cat([w.flatten() for w in prunable(m).values()]) for m in (model, start))
    kept = after != 0
    assert torch.equal(kept, torch.cat([m.flatten() for m in masks.values()]))
    assert kept.sum() == int(0.25 * len(before))
    assert torch.equal(after[kept], before[kept])
    assert before[kept].abs().min() >= before[~kept].abs().max()
    assert torch.equal(model.head.bias, start.head.bias)
    assert torch.equal(model.norm.weight, start.norm.weight)
