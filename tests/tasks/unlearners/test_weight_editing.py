"""Methods that edit weights, against their rules in float64 on a linear model, and on the digits."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from tiny_problem import LinearModel, everything, flat, images_of, linear_problem, problem_of, run
from torch.nn import functional as F

from tasks.unlearners.ascent.pgu import ProjectedGradient, leading_projection
from tasks.unlearners.base import Unlearner, trainable
from tasks.unlearners.steps.dampening import compare_importances
from tasks.unlearners.steps.layers import input_products, matrix_layers
from tasks.unlearners.weight_editing.assd import AdaptiveDampening
from tasks.unlearners.weight_editing.jit import JustInTime
from tasks.unlearners.weight_editing.kodge import SingularValueProjection
from tasks.unlearners.weight_editing.lfssd import LossFreeDampening
from tasks.unlearners.weight_editing.ssd import SelectiveSynapticDampening
from tasks.workbench import Workbench

EXACT = {"rtol": 1e-10, "atol": 1e-12}


def close(a: torch.Tensor, b: torch.Tensor) -> None:
    """Assert equality up to the rounding of float64."""
    torch.testing.assert_close(a, b, **EXACT)


def cat(tensors: list[torch.Tensor]) -> torch.Tensor:
    """One vector of several tensors."""
    return torch.cat([t.flatten() for t in tensors])


def test_ssd_dampens_by_the_batches_of_either_set_in_stored_order() -> None:
    """Twelve and four examples in batches of four: three of the retain set, then one of the forget set."""
    problem = linear_problem()
    x, y = (
        torch.cat(p)
        for p in zip(*(everything(s) for s in (problem.retain, problem.forget)), strict=True)
    )
    squares = []
    for part in range(4):
        at = slice(4 * part, 4 * part + 4)
        error = (problem.model.head(x[at]).softmax(1) - F.one_hot(y[at], 3)) / 4
        squares.append(torch.cat([(error.T @ x[at]).flatten(), error.sum(0)]).detach().square())
    forget, both = squares[3], sum(squares) / 4
    before, after = run(
        SelectiveSynapticDampening(selection=1.5, dampening=0.7, batch_size=4), problem
    )
    assert 0 < (forget > 1.5 * both).sum() < len(both)
    shrunk = before * (0.7 * both / forget).clamp(max=1)
    close(after, torch.where(forget > 1.5 * both, shrunk, before))


def test_ssd_with_a_large_strength_leaves_the_weights(bench: Workbench) -> None:
    problem, _ = bench.problem(SelectiveSynapticDampening(), 0)
    method = SelectiveSynapticDampening(selection=0.5, dampening=1e9)
    before, after = run(method, problem)
    assert torch.equal(before, after)


@pytest.mark.parametrize("mixed", [False, True])
def test_importances_of_single_examples_differ_by_at_most_the_share_of_the_forget_set(
    mixed: bool,
) -> None:
    """All the data's is (3·F_r + F_f) / 4 here: F_f is at most four times that, whatever the order."""
    problem = linear_problem()
    forget, both = (cat(i) for i in compare_importances(problem, batch_size=1, mixed=mixed))
    assert (forget / both).max() <= 4 * (1 + 1e-12)
    assert (forget / both).max() > 1


def test_mixed_batches_select_more_weights_than_unmixed_ones(random_bench: Workbench) -> None:
    """Of a tenth at random, at the threshold of 10: none of single examples, most of mixed batches."""

    def selected(batch_size: int, mixed: bool) -> int:
        problem, _ = random_bench.problem(SelectiveSynapticDampening(), 0)
        found = compare_importances(problem, batch_size=batch_size, mixed=mixed)
        forget, both = (cat(i) for i in found)
        return int((forget > 10 * both).sum())

    assert selected(64, False) == 0
    assert 0 < selected(128, False) < selected(64, True) < selected(128, True)


def test_a_share_of_unmixed_data_keeps_the_order() -> None:
    problem = linear_problem()
    whole = compare_importances(problem, batch_size=1, mixed=False)
    forget, part = compare_importances(problem, batch_size=1, mixed=False, share=0.5)
    assert torch.equal(cat(whole[0]), cat(forget)), "the forget set is read whole"
    assert not torch.equal(cat(whole[1]), cat(part))


def test_lfssd_weighs_by_the_gradient_of_the_squared_norm_of_the_logits() -> None:
    """∇_W mean ‖Wx + b‖² = 2 (Wx + b) xᵀ, averaged; no labels."""
    problem = linear_problem()
    sensitivities = []
    for split in (problem.retain, problem.forget):
        x, _ = everything(split)
        for part in range(len(x) // 4):
            some = x[4 * part : 4 * part + 4]
            logits = problem.model.head(some).detach()
            weight, bias = 2 * logits.T @ some / 4, 2 * logits.mean(0)
            sensitivities.append(torch.cat([weight.flatten(), bias]).abs())
    forget, both = sensitivities[3], sum(sensitivities) / 4
    before, after = run(LossFreeDampening(selection=1.1, dampening=0.5, batch_size=4), problem)
    chosen = forget > 1.1 * both
    assert 0 < chosen.sum() < len(both)
    close(after, torch.where(chosen, before * (0.5 * both / forget).clamp(max=1), before))


@pytest.mark.parametrize("mixed", [False, True])
def test_assd_selects_the_share_that_the_size_of_the_forget_set_says(
    bench: Workbench, mixed: bool
) -> None:
    """ln(1 + 100·n_f/n) per cent of the weights; λ = 1 shrinks every one that it selects."""
    problem, _ = bench.problem(AdaptiveDampening(), 0)
    before, after = run(AdaptiveDampening(mixed=mixed), problem)
    share = len(bench.forget) / (len(bench.forget) + len(bench.retain))
    expected = math.log(1 + 100 * share) / 100 * len(before)
    assert int((before != after).sum()) == pytest.approx(expected, abs=1 + 1e-3 * len(before))
    assert (after.abs() <= before.abs()).all()


def test_jit_steps_down_the_slope_of_the_logits_between_an_image_and_its_noisy_copies() -> None:
    """Of ‖Wx + b − stop(Wx' + b)‖ / ‖x' − x‖ the gradient is u xᵀ / ‖x' − x‖, with u the unit difference."""
    problem, method = linear_problem(), JustInTime(sigma=0.5, lr=0.01, draws=3, batch_size=10)
    rng = torch.Generator()
    images, _ = next(problem.forget.batches(10, rng, augment=False))
    noise = [torch.randn(images.shape, generator=rng) for _ in range(3)]
    x, head = images.flatten(1), problem.model.head
    weight, bias = torch.zeros_like(head.weight), torch.zeros_like(head.bias)
    for draw in noise:
        near = (x + 0.5 * draw.flatten(1)).clamp(x.min(), x.max())
        moved = (near - x).norm(dim=1, keepdim=True).double()
        difference = head(x.double()).detach() - head(near.double()).detach()
        unit = difference / difference.norm(dim=1, keepdim=True) / moved
        weight += unit.T @ x.double() / 3
        bias += unit.sum(0) / 3
    before, after = run(method, problem)
    close(after, before - 0.01 * torch.cat([weight.flatten(), bias]).detach())


def spanned(*, retain: int, forget: int, shared: bool) -> tuple[np.ndarray, list[int]]:
    """Retained rows within the first two of four pixels; forgotten ones too, or within the last two."""
    rng = np.random.default_rng(1)
    rows = np.zeros((retain + forget, 4), np.uint8)
    rows[:retain, :2] = rng.integers(1, 256, (retain, 2))
    rows[retain:, :2] = rng.integers(1, 256, (forget, 2)) if shared else 0
    if not shared:
        rows[retain:, 2:] = rng.integers(1, 256, (forget, 2))
    return rows, list(rng.integers(0, 3, retain + forget))


def test_kodge_changes_nothing_where_the_retain_set_fills_what_the_forget_set_fills() -> None:
    split, _ = images_of(*spanned(retain=8, forget=5, shared=True), 3)
    problem = problem_of(split, 8, LinearModel(4, 3))
    before, after = run(SingularValueProjection(retain_scale=1e14, forget_scale=3.0), problem)
    torch.testing.assert_close(after, before, rtol=1e-9, atol=1e-9)


def test_kodge_removes_what_the_forget_set_fills_alone() -> None:
    """With large scales both matrices are projections: the forgotten logits are left with the bias."""
    split, _ = images_of(*spanned(retain=8, forget=5, shared=False), 3)
    problem = problem_of(split, 8, LinearModel(4, 3))
    kept = problem.model.head(everything(problem.retain)[0]).detach()
    run(SingularValueProjection(retain_scale=1e14, forget_scale=1e14), problem)
    head = problem.model.head
    torch.testing.assert_close(head(everything(problem.retain)[0]), kept, rtol=1e-9, atol=1e-9)
    forgotten = head(everything(problem.forget)[0])
    torch.testing.assert_close(forgotten, head.bias.expand(5, 3), rtol=1e-9, atol=1e-9)


def test_kodge_scales_by_the_singular_value_decomposition() -> None:
    problem = linear_problem(retain=9, forget=5)
    before = problem.model.head.weight.detach().clone()
    matrices = []
    for split, alpha in ((problem.retain, 20.0), (problem.forget, 5.0)):
        u, sigma, _ = torch.linalg.svd(everything(split)[0].T, full_matrices=False)
        s = sigma**2 / (sigma**2).sum()
        matrices.append(u @ torch.diag(alpha * s / ((alpha - 1) * s + 1)) @ u.T)
    kept, gone = matrices
    projection = torch.eye(3) - (gone - gone @ kept)
    run(SingularValueProjection(retain_scale=20.0, forget_scale=5.0), problem)
    close(problem.model.head.weight.detach(), before @ projection.T)


def test_kodge_moves_no_bias_and_no_statistics(bench: Workbench) -> None:
    problem, meter = bench.problem(SingularValueProjection(), 0)
    before = {n: t.clone() for n, t in problem.model.state_dict().items()}
    run(SingularValueProjection(), problem)
    after = problem.model.state_dict()
    matrices = {id(m.weight) for m in matrix_layers(problem.model)}
    names = {n for n, p in problem.model.named_parameters() if id(p) in matrices}
    assert len(names) == 4
    assert {n for n in before if not torch.equal(before[n], after[n])} == names
    assert (meter.gradient_samples, meter.forward_samples) == (0, 900 + len(bench.forget))


def test_pgu_keeps_the_outputs_on_the_directions_of_the_retain_set(bench: Workbench) -> None:
    """In each layer, and nothing but the weights of convolutions and linear layers moves."""
    problem, _ = bench.problem(ProjectedGradient(), 0)
    model = problem.model.eval()
    layers = matrix_layers(model)
    products = input_products(model, layers, bench.retain.ordered(), problem.count_flops)
    start = [layer.weight.detach().clone() for layer in layers]
    before = {n: t.clone() for n, t in model.state_dict().items()}
    run(ProjectedGradient(epochs=3), problem)
    for layer, weight, product in zip(layers, start, products, strict=True):
        projection = leading_projection(product, 0.9, problem.count_flops)
        assert 0 < projection.trace() < len(projection)
        moved = (layer.weight - weight).flatten(1).double()
        assert moved.norm() > 1e-3
        assert (moved @ projection).abs().max() < 1e-6, "the rounding of float32"
    after = model.state_dict()
    changed = {n for n in before if not torch.equal(before[n], after[n])}
    assert len(changed) == 4
    assert all(n.endswith("weight") for n in changed)


def test_pgu_takes_the_step_of_its_loss_outside_of_those_directions() -> None:
    problem = linear_problem(retain=9, forget=5)
    method = ProjectedGradient(lr=0.2, epochs=1, retained=0.9, entropy_weight=0.5)
    x, y = everything(problem.forget)
    weight = problem.model.head.weight.detach().clone().requires_grad_()
    p = F.linear(x, weight, problem.model.head.bias.detach()).softmax(1)
    loss = -(1 - (p[range(5), y] - 0.1)).log().mean() + 0.5 * (p * p.log()).sum(1).mean()
    (gradient,) = torch.autograd.grad(loss, weight)
    u, sigma, _ = torch.linalg.svd(everything(problem.retain)[0].T, full_matrices=False)
    count = int((sigma.cumsum(0) / sigma.sum() <= 0.9).sum())
    assert count in (1, 2)
    free = torch.eye(3) - u[:, :count] @ u[:, :count].T
    run(method, problem)
    close(problem.model.head.weight.detach(), weight.detach() - 0.2 * gradient @ free)


def test_the_rate_of_pgu_falls_to_a_tenth() -> None:
    """At a point where nothing is retained it is plain descent: the sizes of steps tell the rate."""
    problem = linear_problem()
    states = run(ProjectedGradient(lr=1e-7, epochs=4, retained=0.0), problem)
    sizes = [float((b - a).norm()) for a, b in itertools.pairwise(states)]
    assert sizes[3] / sizes[0] == pytest.approx(10**-0.75, rel=1e-3)


@pytest.mark.parametrize("method", [JustInTime, ProjectedGradient])
def test_methods_of_the_forget_set_leave_the_statistics_alone(
    bench: Workbench, method: type[Unlearner]
) -> None:
    problem, _ = bench.problem(method(), 0)
    before = {n: t.clone() for n, t in problem.model.named_buffers()}
    run(method(), problem)
    assert before
    assert all(torch.equal(before[n], t) for n, t in problem.model.named_buffers())
    assert torch.isfinite(flat(problem.model)).all()
    assert trainable(problem.model)
