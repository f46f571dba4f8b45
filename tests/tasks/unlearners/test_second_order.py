"""Second-order methods, against dense linear algebra and plain recursions in float64 on a linear model."""

from __future__ import annotations

import copy

import pytest
import torch
from tiny_problem import everything, flat, linear_problem, run
from torch import Tensor
from torch.nn import functional as F

from tasks.problem import Problem
from tasks.unlearners.second_order.certified_deep import StochasticNewton
from tasks.unlearners.second_order.fisher_forgetting import FisherForgetting, label_fisher
from tasks.unlearners.second_order.newton_cg import NewtonStep
from tasks.unlearners.second_order.woodfisher import WoodFisher
from tasks.workbench import Workbench


def gradient_of(problem: Problem, x: Tensor, y: Tensor) -> Tensor:
    """The gradient (p − onehot) (x, 1)ᵀ of the mean cross-entropy of a linear model, written down."""
    error = (problem.model.head(x).softmax(1) - F.one_hot(y, 3)).detach() / len(y)
    return torch.cat([(error.T @ x).flatten(), error.sum(0)])


def retained_hessian(problem: Problem) -> Tensor:
    """The dense Hessian of the mean cross-entropy on the retain set, by torch."""
    x, y = everything(problem.retain)

    def loss(point: Tensor) -> Tensor:
        return F.cross_entropy(F.linear(x, point[:9].view(3, 3), point[9:]), y)

    return torch.autograd.functional.hessian(loss, flat(problem.model))


@pytest.mark.parametrize("strength", [1.0, 2.5])
def test_the_newton_step_solves_the_damped_system(strength: float) -> None:
    """Twelve weights take twelve steps of conjugate gradients, and a few for rounding."""
    problem = linear_problem()
    gradient = gradient_of(problem, *everything(problem.forget))
    system = retained_hessian(problem) + 0.05 * torch.eye(12, dtype=torch.float64)
    step = torch.linalg.solve(system, 4 / 12 * gradient)
    method = NewtonStep(damping=0.05, strength=strength, epochs=30, retain_share=1.0)
    states = run(method, problem)
    assert len(states) == 31
    torch.testing.assert_close(states[-1], states[0] + strength * step, rtol=1e-9, atol=1e-10)
    errors = [float((s - states[0] - strength * step).norm()) for s in states]
    assert errors[0] > errors[3] > errors[8], "each step comes nearer"


def test_a_newton_step_lowers_the_retained_loss_less_than_it_raises_the_forgotten_one(
    bench: Workbench,
) -> None:
    problem, _ = bench.problem(NewtonStep(), 0)
    before = copy.deepcopy(problem.model).eval()
    run(NewtonStep(strength=2.0, damping=0.1, epochs=3, retain_share=0.1), problem)
    rises = []
    for split in (bench.forget, bench.retain):
        x, y = next(split.ordered(2000))
        with torch.no_grad():
            losses = [F.cross_entropy(m(x), y) for m in (before, problem.model)]
        rises.append(float(losses[1] - losses[0]))
    assert rises[0] > 3 * abs(rises[1])


def test_woodfisher_runs_its_recursion_over_single_examples() -> None:
    problem = linear_problem()
    rng = torch.Generator()
    rng.set_state(problem.rng.get_state())
    part = problem.retain.subset(6, rng)
    x, y = everything(part)
    v = 4 / 16 * (gradient_of(problem, *everything(problem.forget)) - gradient_of(problem, x, y))
    order = [(a.flatten(1).double(), b) for a, b in part.batches(1, rng, augment=False)]
    singles = [gradient_of(problem, a, b) for a, b in order]
    k, o = v.clone(), singles[0].clone()
    for s in singles[1:]:
        t = float(o @ s)
        k = k - float(k @ s) / (6 + t) * o
        o = o * (1 - t / (6 + t))
    before, after = run(WoodFisher(strength=7.0, retain_share=0.5), problem)
    torch.testing.assert_close(after, before + 7 * k, rtol=1e-10, atol=1e-12)


def test_woodfisher_with_a_single_example_steps_along_the_difference_of_the_gradients() -> None:
    """Its inverse is then the identity; and a vector that no gradient touches would pass unchanged."""
    problem = linear_problem()
    rng = torch.Generator()
    rng.set_state(problem.rng.get_state())
    x, y = everything(problem.retain.subset(1, rng))
    v = 4 / 16 * (gradient_of(problem, *everything(problem.forget)) - gradient_of(problem, x, y))
    before, after = run(WoodFisher(strength=3.0, retain_share=0.05), problem)
    torch.testing.assert_close(after, before + 3 * v, rtol=1e-10, atol=1e-12)


def test_the_fisher_information_sums_over_all_labels_by_their_probability() -> None:
    problem = linear_problem(retain=3)
    x, _ = everything(problem.retain)
    expected = torch.zeros(12, dtype=torch.float64)
    for row in x:
        p = problem.model.head(row[None]).softmax(1)[0].detach()
        for label in range(3):
            gradient = gradient_of(problem, row[None], torch.tensor([label]))
            expected += p[label] * gradient.square() / 3
    found = torch.cat([f.flatten() for f in label_fisher(problem.model, problem.retain)])
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


def test_fisher_forgetting_adds_noise_of_the_variance_it_says() -> None:
    """In the head: ten times α·min(1/(F + 1e-8), 100), the mean over a row for the matrix."""
    problem = linear_problem()
    part = problem.retain.subset(12, torch.Generator())
    weight, bias = label_fisher(problem.model, part)
    of_weight = 10 * 1e-4 * (1 / (weight + 1e-8)).clamp(max=100).mean(1, keepdim=True).expand(3, 3)
    of_bias = 10 * 1e-4 * (1 / (bias + 1e-8)).clamp(max=100)
    rng = torch.Generator()
    rng.set_state(problem.rng.get_state())
    torch.randperm(12, generator=rng)
    draws = [torch.randn(shape, generator=rng, dtype=torch.float64) for shape in ((3, 3), (3,))]
    noise = [(v.sqrt() * d).flatten() for v, d in zip((of_weight, of_bias), draws, strict=True)]
    before, after = run(FisherForgetting(strength=1e-4, retain_share=1.0), problem)
    torch.testing.assert_close(after, before + torch.cat(noise), rtol=1e-9, atol=1e-12)


def test_the_variance_outside_of_the_head_is_capped_at_a_thousand() -> None:
    """Kernels are averaged over their input channels; vectors get ten times as much."""
    method = FisherForgetting(strength=1e-3)
    kernel = torch.tensor([[[[0.0]], [[1.0]]], [[[0.5]], [[0.25]]]], dtype=torch.float64)
    expected = torch.tensor([[(1000 + 1) / 2] * 2, [(2 + 4) / 2] * 2], dtype=torch.float64) / 1000
    torch.testing.assert_close(
        method.variance(kernel, head=False).flatten(1), expected, rtol=1e-6, atol=0
    )
    vector = torch.tensor([0.0, 1.0], dtype=torch.float64)
    torch.testing.assert_close(
        method.variance(vector, head=False), torch.tensor([10.0, 0.01]).double(), rtol=1e-6, atol=0
    )


def test_fisher_forgetting_redraws_the_head_of_a_forgotten_class(bench: Workbench) -> None:
    problem, _ = bench.problem(FisherForgetting(), 0)
    before = problem.model.head.weight.detach().clone()
    run(FisherForgetting(strength=1e-9, retain_share=0.02), problem)
    after = problem.model.head.weight.detach()
    assert 0.02 < float(after[1].std()) < 0.05, "of variance 1/1000, around 0"
    others = [row for row in range(10) if row != 1]
    assert (after[others] - before[others]).abs().max() < 0.01
    assert (after[others] != before[others]).any()


def test_certified_deep_without_noise_reaches_the_damped_newton_step() -> None:
    """With the whole retain set as the batch the recursion contracts: θ0 − (H + (λ + γ)I)⁻¹ (g + λθ0)."""
    problem = linear_problem()
    start = flat(problem.model)
    gradient = gradient_of(problem, *everything(problem.retain)) + 0.2 * start
    hessian = retained_hessian(problem) + (0.2 + 0.3) * torch.eye(12, dtype=torch.float64)
    scale = 1.5 * float(torch.linalg.eigvalsh(hessian).max())
    method = StochasticNewton(
        scale=scale, convexity=0.3, weight_decay=0.2, sigma=0.0, epochs=400, batch_size=12
    )
    states = run(method, problem)
    torch.testing.assert_close(
        states[-1], start - torch.linalg.solve(hessian, gradient), rtol=1e-8, atol=1e-9
    )


def test_the_noise_of_certified_deep_is_of_its_size(bench: Workbench) -> None:
    ends = []
    for sigma in (0.0, 0.05):
        problem, _ = bench.problem(StochasticNewton(), 0)
        ends.append(run(StochasticNewton(sigma=sigma, epochs=1, retain_share=0.05), problem)[-1])
    noise = ends[1] - ends[0]
    assert float(noise.std()) == pytest.approx(0.05, rel=0.05)
    assert abs(float(noise.mean())) < 0.002
