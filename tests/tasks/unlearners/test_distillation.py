"""Methods that imitate a teacher: their rules on a linear model in float64, whose gradients are written out."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from tiny_problem import everything, flat, linear_problem, run
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.problem import Problem
from tasks.unlearners.distillation.bad_teacher import BadTeacher
from tasks.unlearners.distillation.delete import Delete
from tasks.unlearners.distillation.fcs import ForgetContrastRetain, contrast_loss
from tasks.unlearners.distillation.npo import NegativePreferenceOptimisation, preference_loss
from tasks.unlearners.distillation.prmq import (
    PruneReinitialiseMatchQuantise,
    redraw_smallest,
    round_to_half,
)
from tasks.unlearners.distillation.scrub import Scrub
from tasks.workbench import Workbench

CLASSES = 3
CLOSE = {"rtol": 0.0, "atol": 1e-10}


@pytest.fixture
def problem() -> Problem:
    """A linear model of three classes; 12 examples to keep, 4 to forget."""
    return linear_problem()


def gradient(error: Tensor, x: Tensor) -> Tensor:
    """Of a loss whose derivative by the logits (N, C) is `error`, by the weights and the bias in one vector."""
    return torch.cat([(error.T @ x).flatten(), error.sum(0)])


def logits_of(weights: Tensor, x: Tensor, classes: int = CLASSES) -> Tensor:
    """W x + b."""
    cut = classes * x.shape[1]
    return x @ weights[:cut].view(classes, -1).T + weights[cut:]


def cross_entropy_error(logits: Tensor, y: Tensor) -> Tensor:
    """Derivative of the mean cross-entropy by the logits."""
    return (logits.softmax(1) - F.one_hot(y, logits.shape[1])) / len(y)


def test_scrub_climbs_on_the_forget_set_and_descends_on_the_retain_set(problem: Problem) -> None:
    """The first step up is none: the distance to the original has its least there. Then two epochs."""
    temperature, alpha, gamma, lr = 2.5, 0.7, 0.9, 0.05
    method = Scrub(
        lr=lr, epochs=2, forget_epochs=2, teacher_weight=alpha, label_weight=gamma,
        temperature=temperature, momentum=0.9, weight_decay=0.0,
    )  # fmt: skip
    (x_r, y_r), (x_f, _) = everything(problem.retain), everything(problem.forget)
    states = run(method, problem)
    start = weights = states[0]
    velocity = torch.zeros_like(start)

    def distance_error(x: Tensor) -> Tensor:
        """Derivative of T²·KL by the logits: T (p − p0)."""
        p, p0 = ((logits_of(w, x) / temperature).softmax(1) for w in (weights, start))
        return temperature * (p - p0) / len(x)

    for epoch in range(2):
        velocity = 0.9 * velocity - gradient(distance_error(x_f), x_f)
        weights = weights - lr * velocity
        error = gamma * cross_entropy_error(logits_of(weights, x_r), y_r)
        velocity = 0.9 * velocity + gradient(error + alpha * distance_error(x_r), x_r)
        weights = weights - lr * velocity
        torch.testing.assert_close(states[epoch + 1], weights, **CLOSE)


def test_scrub_leaves_the_forget_set_after_its_forget_epochs(problem: Problem) -> None:
    """Without momentum the third epoch's step is the retain set's alone; the second's holds the forget set's too."""
    method = Scrub(
        lr=0.05, epochs=3, forget_epochs=2, teacher_weight=0.0, label_weight=1.0, momentum=0.0, weight_decay=0.0
    )  # fmt: skip
    x, y = everything(problem.retain)
    states = run(method, problem)
    alone = [w - 0.05 * gradient(cross_entropy_error(logits_of(w, x), y), x) for w in states]
    torch.testing.assert_close(states[3], alone[2], **CLOSE)
    assert not torch.allclose(states[2], alone[1], **CLOSE)


def test_scrub_s_learning_rate_falls_after_three_five_and_nine_epochs(problem: Problem) -> None:
    """With neither momentum nor a distance, a step's length over its gradient's is the learning rate."""
    method = Scrub(
        lr=1e-2, epochs=10, forget_epochs=0, teacher_weight=0.0, label_weight=1.0, momentum=0.0, weight_decay=0.0
    )  # fmt: skip
    x, y = everything(problem.retain)
    states = run(method, problem)
    for epoch, power in enumerate([0, 0, 0, 1, 1, 2, 2, 2, 2, 3]):
        step = gradient(cross_entropy_error(logits_of(states[epoch], x), y), x)
        expected = states[epoch] - 1e-2 * 0.1**power * step
        torch.testing.assert_close(states[epoch + 1], expected, **CLOSE)


def fixed_blank(problem: Problem, blank: nn.Module) -> Problem:
    """The same problem, whose untrained model is this one."""
    blank.initialise = lambda *_: None  # type: ignore[assignment]
    return replace(problem, make_blank=lambda: blank)  # type: ignore[arg-type, return-value]


def test_a_bad_teacher_that_is_the_original_teaches_nothing(problem: Problem) -> None:
    same = fixed_blank(problem, problem.original())
    start, end = run(BadTeacher(lr=0.1, epochs=1, retain_share=1.0), same)
    torch.testing.assert_close(end, start, rtol=0, atol=1e-8)  # Adam divides rounding by 1e-8


def test_bad_teaching_imitates_the_blank_on_the_forget_set_alone(problem: Problem) -> None:
    """Adam's first step is lr · g / (|g| + ε)."""
    blank = copy.deepcopy(problem.model)
    with torch.no_grad():
        blank.head.weight.mul_(-1)
    (x_r, _), (x_f, _) = everything(problem.retain), everything(problem.forget)
    method = BadTeacher(lr=0.1, epochs=1, retain_share=1.0, temperature=2.0)
    start, end = run(method, fixed_blank(problem, blank))
    target = (blank(x_f) / 2).softmax(1)
    own = (logits_of(start, x_f) / 2).softmax(1)
    slope = gradient(2.0 * (own - target) / (len(x_r) + len(x_f)), x_f)
    torch.testing.assert_close(end, start - 0.1 * slope / (slope.abs() + 1e-8), **CLOSE)


def test_bad_teaching_draws_its_blank_and_its_part_of_the_retain_set_once(bench: Workbench) -> None:
    problem, meter = bench.problem(BadTeacher(), 0)
    for _ in BadTeacher(epochs=2, retain_share=0.1).unlearn(problem):
        pass
    seen = round(0.1 * len(bench.retain)) + len(bench.forget)
    assert meter.gradient_samples == 2 * seen
    assert meter.forward_samples == 2 * (seen + len(bench.forget))


def test_delete_imitates_the_original_without_the_true_class(problem: Problem) -> None:
    x, y = everything(problem.forget)
    start, end = run(Delete(lr=0.1, epochs=1), problem)
    p = logits_of(start, x).softmax(1)
    target = p.masked_fill(F.one_hot(y, CLASSES).bool(), 0)
    target = target / target.sum(1, keepdim=True)
    torch.testing.assert_close(end, start - 0.1 * gradient((p - target) / len(x), x), **CLOSE)


def test_delete_with_frozen_batch_norm_keeps_its_statistics(bench: Workbench) -> None:
    for freeze in (False, True):
        problem, _ = bench.problem(Delete(), 0)
        before = copy.deepcopy(problem.model.state_dict())
        for _ in Delete(epochs=1, freeze_batch_norm=freeze).unlearn(problem):
            pass
        after = problem.model.state_dict()
        statistics = [n for n in before if "running" in n]
        assert all(torch.equal(before[n], after[n]) == freeze for n in statistics)


@pytest.mark.parametrize("beta", [0.01, 0.5, 1.0])
def test_npo_begins_as_gradient_ascent_whatever_beta(problem: Problem, beta: float) -> None:
    method = NegativePreferenceOptimisation(
        lr=0.1, epochs=1, inverse_temperature=beta, forget_weight=0.3, weight_decay=0.0
    )
    (x_r, y_r), (x_f, y_f) = everything(problem.retain), everything(problem.forget)
    start, end = run(method, problem)
    slope = gradient(cross_entropy_error(logits_of(start, x_r), y_r), x_r)
    slope -= 0.3 * gradient(cross_entropy_error(logits_of(start, x_f), y_f), x_f)
    torch.testing.assert_close(end, start - 0.1 * slope, **CLOSE)


def test_the_preference_loss_fades_as_the_label_gets_unlikely() -> None:
    """Its derivative by log(p / p0) is 2 σ(β · ratio), over the number of examples."""
    ratio = torch.tensor([0.0, -30.0, 5.0], dtype=torch.float64, requires_grad=True)
    preference_loss(ratio, 0.4).backward()
    torch.testing.assert_close(ratio.grad, 2 * torch.sigmoid(0.4 * ratio.detach()) / 3)


def test_fcs_flattens_contrasts_and_repairs_with_an_optimiser_each(problem: Problem) -> None:
    method = ForgetContrastRetain(
        lr=0.05, epochs=1, flatten_lr=0.2, contrast_lr=0.03, temperature=1.5, weight_decay=0.01
    )
    (x_r, y_r), (x_f, _) = everything(problem.retain), everything(problem.forget)
    weights, end = run(method, problem)
    flat_error = (logits_of(weights, x_f).softmax(1) - 1 / CLASSES) / len(x_f)
    weights = weights - 0.2 * gradient(flat_error, x_f)
    forgotten, retained = logits_of(weights, x_f), logits_of(weights, x_r)
    p = (forgotten @ retained.T / 1.5).softmax(1)
    of_similarity = (len(x_r) * p - 1) / (len(x_r) * len(x_f))
    weights = weights - 0.03 * gradient(of_similarity @ retained / 1.5, x_f)
    repair = gradient(cross_entropy_error(logits_of(weights, x_r), y_r), x_r)
    torch.testing.assert_close(end, weights - 0.05 * (repair + 0.01 * weights), **CLOSE)


def test_the_contrast_is_least_where_all_are_equally_near() -> None:
    retained = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)).double()
    nowhere = contrast_loss(torch.zeros(2, 3).double(), retained, 1.15)
    assert float(nowhere) == pytest.approx(torch.tensor(5.0).log().item(), rel=1e-6)
    assert contrast_loss(torch.ones(2, 3).double(), retained, 1.15) > nowhere


def test_prmq_redraws_the_smallest_weights_within_their_bounds(bench: Workbench) -> None:
    model = bench.problem(Scrub(), 0)[0].model
    before = copy.deepcopy(model)
    redraw_smallest(model, 0.6, bench.generator(0))
    kinds = (nn.Conv2d, nn.Linear)
    pairs = [
        (a, b)
        for a, b in zip(before.modules(), model.modules(), strict=True)
        if isinstance(a, kinds)
    ]
    changed = [(a.weight != b.weight, a.weight, b.weight) for a, b in pairs]
    biases = [(a.bias != b.bias, a.bias, b.bias) for a, b in pairs if a.bias is not None]
    total = sum(w.numel() for _, w, _ in changed + biases)
    assert sum(int(c.sum()) for c, _, _ in changed + biases) == int(0.6 * total)
    gone = torch.cat([old[c].abs() for c, old, _ in changed + biases])
    kept = torch.cat([old[~c].abs() for c, old, _ in changed + biases])
    assert gone.max() <= kept.min()
    for c, _, new in changed:
        assert new[c].abs().max() <= new[0].numel() ** -0.5
    assert all((new[c] == 0).all() for c, _, new in biases)
    assert torch.equal(before.features[1].weight, model.features[1].weight), (
        "no BatchNorm is redrawn"
    )


def test_prmq_weighs_classes_and_rounds_to_half_precision(problem: Problem) -> None:
    """At the original weights the entropies agree: the first step is that of the weighted cross-entropy."""
    method = PruneReinitialiseMatchQuantise(lr=0.05, epochs=1, pruned=0.0, weight_decay=0.0)
    x, y = everything(problem.retain)
    start, end = run(method, problem)
    weight = (y.bincount(minlength=CLASSES).float() ** -0.1)[y].double()
    error = (logits_of(start, x).softmax(1) - F.one_hot(y, CLASSES)) * (weight / weight.sum())[
        :, None
    ]
    expected = start - 0.05 * gradient(error, x)
    torch.testing.assert_close(end, expected.half().double(), rtol=0, atol=1e-7)
    assert torch.equal(end, end.half().double())


def test_prmq_pulls_the_entropies_towards_the_original_s(problem: Problem) -> None:
    """Of a model that is sure of everything, the pull makes the outputs flatter than fine-tuning alone would."""
    with torch.no_grad():
        problem.model.head.weight.mul_(3)
    x, y = everything(problem.retain)
    method = PruneReinitialiseMatchQuantise(
        lr=1e-3, epochs=1, pruned=0.0, weight_decay=0.0, momentum=0.0
    )
    original = flat(problem.make_original())
    start, end = run(method, problem)

    def entropies(weights: Tensor) -> Tensor:
        logs = logits_of(weights, x).log_softmax(1)
        return -(logs.exp() * logs).sum(1)

    weights = start.clone().requires_grad_()
    weight = (y.bincount(minlength=CLASSES).float() ** -0.1).double()
    loss = F.cross_entropy(logits_of(weights, x), y, weight)
    loss = loss + (entropies(weights) - entropies(original)).square().mean()
    (slope,) = torch.autograd.grad(loss, weights)
    torch.testing.assert_close(end, start - 1e-3 * slope, rtol=1e-3, atol=1e-4)
    assert float((start - 1e-3 * slope - start).abs().max()) > 1e-3


def test_rounding_to_half_keeps_large_statistics_finite() -> None:
    layer = nn.BatchNorm2d(2)
    layer.running_var.copy_(torch.tensor([1e9, 0.1]))
    round_to_half(layer)
    assert layer.running_var.isfinite().all()
    assert float(layer.running_var[1]) == float(torch.tensor(0.1).half())
