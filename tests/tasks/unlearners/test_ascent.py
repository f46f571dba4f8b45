"""Gradient ascent's frozen BatchNorm, ascent-descent, GDR-GMA, MUNBa, SFRon and Scissorhands, in float64."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from drawn_problem import EVERYTHING, Convolutional, Linear, tiny_problem, whole
from torch import Tensor
from torch.nn import functional as F

from tasks.compute.adam import Adam
from tasks.models.network import Network
from tasks.problem import Problem
from tasks.unlearners.ascent.ascent_descent import AscentDescent
from tasks.unlearners.ascent.gdr_gma import RectifiedGradients, recalled, rectified
from tasks.unlearners.ascent.gradient_ascent import GradientAscent
from tasks.unlearners.ascent.munba import NashBargaining
from tasks.unlearners.ascent.scissorhands import Scissorhands, redraw_sensitive
from tasks.unlearners.ascent.sfron import FastSlowRemain, weighted_loss
from tasks.unlearners.base import Unlearner, trainable
from tasks.unlearners.steps.blocks import blocks, last_blocks
from tasks.unlearners.steps.gradients import bargained, flat_gradient, flatten

PLAIN = {"momentum": 0.0, "weight_decay": 0.0, "batch_size": EVERYTHING, "epochs": 1}


def run(problem: Problem, unlearner: Unlearner) -> Tensor:
    """All trainable weights in one vector after it."""
    for _ in unlearner.unlearn(problem):
        pass
    return flatten(trainable(problem.model))


def gradient(model: Network, batch: tuple[Tensor, Tensor]) -> Tensor:
    """That of the mean cross-entropy, as one vector."""
    return flat_gradient(F.cross_entropy(model(batch[0]), batch[1]), trainable(model))


def moved(model: Network, step: Tensor) -> Network:
    """A copy of `model`, a step away."""
    other = copy.deepcopy(model)
    with torch.no_grad():
        for p, part in zip(
            trainable(other), step.split([p.numel() for p in trainable(other)]), strict=True
        ):
            p.add_(part.view_as(p))
    return other


def same(found: Tensor, expected: Tensor) -> None:
    """Equal as far as the arithmetic of float64 goes."""
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("frozen", [False, True])
def test_gradient_ascent_moves_the_statistics_unless_told_not_to(frozen: bool) -> None:
    problem = tiny_problem(Convolutional)
    before = copy.deepcopy(problem.model.state_dict())
    run(problem, GradientAscent(lr=1e-3, freeze_batch_norm=frozen))
    after = problem.model.state_dict()
    kept = torch.equal(before["first.1.running_mean"], after["first.1.running_mean"])
    assert kept is frozen
    assert not torch.equal(before["first.1.weight"], after["first.1.weight"])


def test_ascent_descent_climbs_then_descends_with_one_momentum() -> None:
    problem = tiny_problem(Linear)
    start = copy.deepcopy(problem.model)
    up = -gradient(start, whole(problem.forget))
    between = moved(start, -0.2 * up)
    down = 0.9 * up + gradient(between, whole(problem.retain))
    end = run(problem, AscentDescent(lr=0.2, **{**PLAIN, "momentum": 0.9}))
    same(end, flatten(trainable(moved(between, -0.2 * down))))


def test_ascent_descent_only_descends_after_its_ascent_epochs() -> None:
    problem = tiny_problem(Linear)
    settings = {**PLAIN, "epochs": 2}
    once = run(problem, AscentDescent(lr=0.2, ascent_epochs=1, **settings))
    expected = tiny_problem(Linear)
    after_one = run(expected, AscentDescent(lr=0.2, **PLAIN))
    step = gradient(expected.model, whole(expected.retain))
    same(once, after_one - 0.2 * step)


def test_ascent_descent_can_freeze_batch_norm_in_its_ascent() -> None:
    """Then only the retain set moves its statistics."""
    problem = tiny_problem(Convolutional)
    first = copy.deepcopy(problem.model.first)
    run(problem, AscentDescent(lr=0.0, freeze_batch_norm=True, **PLAIN))
    first(whole(problem.retain)[0].double())
    same(problem.model.first[1].running_mean, first[1].running_mean)


def test_rectified_gradients_are_freed_of_their_conflict_in_the_authors_order() -> None:
    """By hand: r loses its part along t; then t loses r·t/‖r‖² of what is left of r."""
    r, t = torch.tensor([1.0, 1.0]).double(), torch.tensor([-2.0, 0.0]).double()
    freed, other = rectified(r, t)
    same(freed, torch.tensor([0.0, 1.0]).double())
    same(other, torch.tensor([-2.0, 1.0]).double())
    with_it = rectified(r, -t)
    assert with_it[0] is r
    assert torch.equal(with_it[1], -t)


def test_a_gradient_is_freed_of_the_mean_of_the_memories_against_it() -> None:
    g = torch.tensor([1.0, 1.0]).double()
    memory = [torch.tensor(m).double() for m in ([-2.0, 0.0], [-2.0, -2.0], [5.0, 5.0])]
    against = torch.tensor([-2.0, -1.0]).double()  # the third one does not point against it
    same(recalled(g, memory), g - (g @ against) / 5 * against)
    assert recalled(g, memory[2:]) is g


@pytest.mark.parametrize("threshold", [1.0, 1.3])
def test_gdr_gma_weighs_the_two_by_the_retain_loss(threshold: float) -> None:
    """Adam's first step goes against the sign of each entry of the gradient; so signs are what it shows."""
    problem = tiny_problem(Linear)
    model = copy.deepcopy(problem.model)
    (x_r, y_r), (x_f, y_f) = whole(problem.retain), whole(problem.forget)
    loss = F.cross_entropy(model(x_r), y_r)
    slope = 0.5
    share = 1 / (1 + math.exp(slope * (loss.item() - threshold)))
    retain = torch.autograd.grad(loss, trainable(model))
    forget = torch.autograd.grad(-F.cross_entropy(model(x_f), y_f), trainable(model))
    pairs = [rectified(r, t) for r, t in zip(retain, forget, strict=True)]
    joint = flatten([(1 - share) * r + share * t for r, t in pairs])
    settings = {**PLAIN, "lr": 1e-3}
    del settings["momentum"]
    end = run(problem, RectifiedGradients(threshold=threshold, slope=slope, **settings))
    start = flatten(trainable(model))
    torch.testing.assert_close(end, start - 1e-3 * joint / (joint.abs() + 1e-8), rtol=0, atol=1e-9)


def test_gdr_gma_follows_one_set_alone_far_from_its_threshold() -> None:
    """A retain loss far above: only the rectified retain gradient counts, and the forget loss does not."""
    problem = tiny_problem(Linear)
    model = copy.deepcopy(problem.model)
    retain, forget = (
        gradient(model, whole(s)).split([48, 3]) for s in (problem.retain, problem.forget)
    )
    freed = flatten([rectified(r, -t)[0] for r, t in zip(retain, forget, strict=True)])
    method = RectifiedGradients(
        lr=1e-3, threshold=0.005, weight_decay=0.0, epochs=1, batch_size=EVERYTHING
    )
    end = run(problem, method)
    torch.testing.assert_close(
        end, flatten(trainable(model)) - 1e-3 * freed.sign(), rtol=0, atol=1e-6
    )


def test_gdr_gma_remembers_the_last_tensor_s_forget_gradients_from_the_second_epoch_on() -> None:
    """As many of them as the forget set has batches, the latest one among them."""
    problem, twin = tiny_problem(Linear), tiny_problem(Linear)
    weights, memory, turned = trainable(twin.model), [], 0
    optimizer = Adam(weights, 1e-3)
    for epoch in range(2):
        for (x_r, y_r), (x_f, y_f) in twin.retain.paired(twin.forget, 2, twin.rng):
            retain = torch.autograd.grad(F.cross_entropy(twin.model(x_r), y_r), weights)
            forget = torch.autograd.grad(-F.cross_entropy(twin.model(x_f), y_f), weights)
            memory = [*memory, forget[-1]][-3:]
            pairs = [rectified(r, t)[1] for r, t in zip(retain, forget, strict=True)]
            if epoch == 1:
                before, pairs[-1] = pairs[-1], recalled(pairs[-1], memory)
                turned += pairs[-1] is not before
            for p, t in zip(weights, pairs, strict=True):
                p.grad = t
            optimizer.step()
    assert turned, "some must be in conflict for this test"
    method = RectifiedGradients(lr=1e-3, weight_decay=0.0, threshold=5.0, epochs=2, batch_size=2)
    same(run(problem, method), flatten(weights))


def test_munba_steps_along_the_bargain_and_then_on_the_retain_set_alone() -> None:
    """Batches of half the retain set: the first beside the whole forget set, the second by itself."""
    problem = tiny_problem(Linear, seed=5)
    model, rng = copy.deepcopy(problem.model), torch.Generator().manual_seed(5)
    retain = problem.retain.batches(6, rng)
    first = next(retain)
    x_f, _ = next(problem.forget.batches(6, rng))
    labels = torch.randint(3, (6,), generator=rng)
    joint = bargained(gradient(model, first), gradient(model, (x_f, labels)))
    assert joint is not None
    assert joint.norm() == pytest.approx(2**0.5)
    model = moved(model, -0.3 * joint / joint.norm())
    model = moved(model, -0.3 * gradient(model, next(retain)))
    end = run(problem, NashBargaining(lr=0.3, clip=1.0, **{**PLAIN, "batch_size": 6}))
    same(end, flatten(trainable(model)))


def test_the_weighted_loss_is_the_mean_without_flattening_and_flat_at_one() -> None:
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(7, 3, generator=rng, dtype=torch.float64).requires_grad_()
    labels = torch.arange(7) % 3
    losses = F.cross_entropy(logits, labels, reduction="none")
    same(weighted_loss(logits, labels, 0.0).detach(), losses.mean().detach())
    weights = 1 / losses.detach().sqrt()
    (found,) = torch.autograd.grad(weighted_loss(logits, labels, 0.5), logits)
    (expected,) = torch.autograd.grad((weights / weights.sum() * losses).sum(), logits)
    same(found, expected)
    same(weighted_loss(logits, labels, 1.0).detach(), 7 / (1 / losses.detach()).sum())


@pytest.mark.parametrize("threshold", [0.5, 2.0])
def test_sfron_climbs_where_the_mask_is_and_then_descends(threshold: float) -> None:
    """One step, without flattening: α · ∇CE(forget) masked and clipped, then ∇CE(retain) everywhere."""
    problem = tiny_problem(Linear)
    model = copy.deepcopy(problem.model)
    retain, forget = (gradient(model, whole(s)) for s in (problem.retain, problem.forget))
    mask = forget.square() >= threshold * retain.square()
    assert 0 < mask.sum() < len(mask)
    up = 25.0 * forget * mask
    assert up.norm() > 7.0
    model = moved(model, 0.1 * up * 7.0 / (up.norm() + 1e-6))
    model = moved(model, -0.1 * gradient(model, whole(problem.retain)))
    method = FastSlowRemain(lr=0.1, strength=25.0, flattening=0.0, threshold=threshold, **PLAIN)
    same(run(problem, method), flatten(trainable(model)))


def test_sfron_climbs_in_every_period_th_step_and_ever_less() -> None:
    """With a learning rate and a strength that both are half of what they were after half of the steps."""
    settings = {"flattening": 0.0, "strength": 1.0, "threshold": 0.1}
    problem = tiny_problem(Linear)
    model = copy.deepcopy(problem.model)
    on = {s: gradient(model, whole(getattr(problem, s))).square() for s in ("retain", "forget")}
    mask = on["forget"] >= 0.1 * on["retain"]
    for epoch, fading in enumerate((1.0, 0.5)):
        if epoch % 2 == 0:
            up = fading * gradient(model, whole(problem.forget)) * mask
            model = moved(model, 0.1 * fading * up)
        model = moved(model, -0.1 * fading * gradient(model, whole(problem.retain)))
    method = FastSlowRemain(lr=0.1, period=2, **settings, **{**PLAIN, "epochs": 2})
    same(run(problem, method), flatten(trainable(model)))


def test_scissorhands_draws_the_most_sensitive_weights_of_the_last_blocks_anew() -> None:
    model = tiny_problem(Convolutional).model
    before = copy.deepcopy(model.state_dict())
    gradients = [torch.ones_like(p) for p in trainable(model)]  # so that |θ| is what counts
    rng = torch.Generator().manual_seed(0)
    redraw_sensitive(model, last_blocks(model, 1), gradients, 0.5, rng)
    after = model.state_dict()
    cut = flatten(list(before[n] for n, _ in model.named_parameters())).abs().quantile(0.5)
    for name, _ in model.named_parameters():
        fresh = (before[name] != after[name]) & (before[name].abs() > 0)
        inside = name.startswith(("hidden", "head"))
        assert torch.equal(fresh, (before[name].abs() > cut) & inside)
    assert not after["head.bias"][before["head.bias"].abs() > cut].any()
    assert after["hidden.weight"][before["hidden.weight"].abs() > cut].abs().max() <= 1 / 4
    assert len(blocks(model)) == 4


def test_scissorhands_guards_what_it_forgot() -> None:
    """A step of a linear model with nothing drawn anew: the descent would undo the ascent, so it is turned."""
    problem = tiny_problem(Linear)
    model = copy.deepcopy(problem.model)
    retain, forget = (gradient(model, whole(s)) for s in (problem.retain, problem.forget))
    g, memory = retain - 0.01 * forget, -forget
    along = float(g @ memory)
    assert along < 0, "they must be in conflict for this test"
    v = max(0.5, -along / (float(memory.square().sum()) + 1e-3))
    method = Scissorhands(lr=0.1, kept=1.0, forget_weight=0.01, **PLAIN)
    same(run(problem, method), flatten(trainable(model)) - 0.1 * (g + v * memory))
