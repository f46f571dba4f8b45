"""Certified noise: its size in closed form, and what a certificate rests on."""

from __future__ import annotations

import math

import pytest
import torch
from tiny_problem import flat, linear_problem, run

from tasks.errors import InvalidValue
from tasks.search_space import search_space
from tasks.unlearners.base import Unlearner, trainable
from tasks.unlearners.finetuning.finetune import Finetune
from tasks.unlearners.noise.noisy_finetune import NoisyFinetune, clip_weights
from tasks.unlearners.second_order.certified_deep import StochasticNewton
from tasks.unlearners.training_time.langevin import Langevin
from tasks.unlearners.training_time.r2d import RewindToDelete
from tasks.workbench import Workbench


@pytest.mark.parametrize(("epsilon", "delta"), [(0.5, 1e-5), (3.0, 1e-3), (20.0, 1e-6)])
def test_the_noise_is_what_the_budget_asks_for(epsilon: float, delta: float) -> None:
    """Rényi: two runs diverge by ρq at order q; the best order's (ε, δ) is ε = ρ + 2√(ρ ln 1/δ)."""
    method = NoisyFinetune(
        epsilon=epsilon, delta=delta, weight_clip=0.7, gradient_clip=2.0, noisy_lr=0.01
    )
    apart = 2 * 0.7 + 2 * 0.01 * 2.0 * 9
    rho = apart**2 / (2 * 9 * method.sigma(9) ** 2)
    orders = 1 + torch.logspace(-4, 4, 200_001, dtype=torch.float64)
    best = (rho * orders + math.log(1 / delta) / (orders - 1)).min()
    assert float(best) == pytest.approx(epsilon, rel=1e-6)


@pytest.mark.parametrize("delta", [0.0, 1.0, 2.0])
def test_a_probability_of_failure_lies_between_0_and_1(delta: float) -> None:
    """And no sampler moves it."""
    with pytest.raises(InvalidValue, match=r"delta=.* is out of range: a float above 0, below 1"):
        NoisyFinetune.from_params({"delta": delta})
    assert "delta" not in search_space(NoisyFinetune)
    assert NoisyFinetune.from_params({"delta": 1e-3}).params["delta"] == 1e-3


def test_it_says_what_it_guarantees_and_what_that_assumes() -> None:
    said = NoisyFinetune(epsilon=2.5, delta=1e-4).certificate
    assert said.startswith("ε = 2.5, δ = 0.0001, if ")
    assert "the retain set alone" in said


@pytest.mark.parametrize("method", [StochasticNewton, RewindToDelete, Langevin])
def test_a_method_whose_assumptions_fail_says_that_it_guarantees_nothing(
    method: type[Unlearner],
) -> None:
    said = method().certificate
    assert said is not None
    assert said.startswith("nothing: it")
    assert Finetune().certificate is None


def test_more_steps_at_a_vanishing_rate_need_less_noise_each() -> None:
    """The noises' variances add up: T steps take 1/√T of one step's noise."""
    method = NoisyFinetune(noisy_lr=1e-12)
    assert method.sigma(1) / method.sigma(16) == pytest.approx(4, rel=1e-6)


def test_two_models_are_one_norm_apart_at_most_before_the_noise() -> None:
    problem = linear_problem()
    direction = flat(problem.model)
    clip_weights(problem.model, 0.5)
    torch.testing.assert_close(flat(problem.model), 0.5 * direction / direction.norm())
    clip_weights(problem.model, 3.0)
    torch.testing.assert_close(flat(problem.model), 0.5 * direction / direction.norm())


def test_a_noisy_step_is_clipped_and_its_noise_drawn_from_the_problem() -> None:
    """With the noise taken away, the step has the length η·C1 against the gradient."""
    problem = linear_problem()
    method = NoisyFinetune(
        weight_clip=10.0, gradient_clip=0.1, noisy_lr=0.01, epochs=1, batch_size=12
    )
    rng = torch.Generator()
    rng.set_state(problem.rng.get_state())
    (x, y), *_ = problem.retain.batches(12, rng)
    loss = torch.nn.functional.cross_entropy(problem.model(x), y)
    gradient = torch.cat([g.flatten() for g in torch.autograd.grad(loss, trainable(problem.model))])
    assert gradient.norm() > 0.1
    draws = [torch.randn(p.shape, generator=rng, dtype=p.dtype) for p in trainable(problem.model)]
    noise = method.sigma(1) * torch.cat([d.flatten() for d in draws])
    before, after = run(method, problem)
    expected = before - 0.01 * 0.1 * gradient / gradient.norm() + noise
    torch.testing.assert_close(after, expected, rtol=1e-10, atol=1e-12)


def test_the_noise_has_mean_0_and_its_size(bench: Workbench) -> None:
    """Fifteen thousand weights, clipped to nearly nothing and moved by nearly nothing: what is left is noise."""
    method = NoisyFinetune(
        weight_clip=1e-9, gradient_clip=1e-9, epochs=1, batch_size=2000, epsilon=1e-6
    )
    problem, _ = bench.problem(method, 0)
    noise = run(method, problem)[-1]
    sigma = method.sigma(1)
    assert float(noise.std()) == pytest.approx(sigma, rel=0.03)
    assert abs(float(noise.mean())) < 4 * sigma / math.sqrt(len(noise))


def test_the_statistics_of_the_original_are_gone_after_the_noise(bench: Workbench) -> None:
    method = NoisyFinetune(epochs=2, retain_share=0.1)
    problem, _ = bench.problem(method, 0)
    states = method.unlearn(problem)
    next(states)
    means = [t for n, t in problem.model.named_buffers() if n.endswith("running_mean")]
    variances = [t for n, t in problem.model.named_buffers() if n.endswith("running_var")]
    assert len(means) == 3
    assert all((t == 0).all() for t in means)
    assert all((t == 1).all() for t in variances)
    next(states)
    assert all(t.any() for t in means), "the free epochs fill them"
