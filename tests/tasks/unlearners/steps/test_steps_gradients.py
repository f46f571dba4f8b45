"""Gradients as vectors: written, read, bargained over and kept in mind."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tasks.unlearners.steps.gradients import (
    bargained,
    flat_gradient,
    kept_in_mind,
    read_gradient,
    set_gradient,
)
from tasks.unlearners.steps.masks import scale_gradients


@pytest.fixture
def rng() -> torch.Generator:
    """A generator of the test's own."""
    return torch.Generator().manual_seed(0)


def drawn(rng: torch.Generator, *shape: int) -> Tensor:
    """Normal numbers in float64."""
    return torch.randn(*shape, generator=rng, dtype=torch.float64)


def test_a_flat_gradient_is_in_the_weights_order_and_zero_where_unused(
    rng: torch.Generator,
) -> None:
    weights = [drawn(rng, 2, 3).requires_grad_(), drawn(rng, 4).requires_grad_()]
    found = flat_gradient((3 * weights[0]).sum() + 0 * weights[0].sum(), weights)
    assert found.tolist() == [3.0] * 6 + [0.0] * 4
    assert all(w.grad is None for w in weights)


def test_what_is_written_as_a_gradient_is_read_again(rng: torch.Generator) -> None:
    weights = [drawn(rng, 2, 3).requires_grad_(), drawn(rng, 4).requires_grad_()]
    assert not read_gradient(weights).any()
    vector = drawn(rng, 10)
    set_gradient(weights, vector)
    assert torch.equal(read_gradient(weights), vector)
    assert torch.equal(weights[0].grad, vector[:6].view(2, 3))
    scale_gradients(weights, [torch.zeros(2, 3), torch.tensor([True, False, True, True])])
    assert not weights[0].grad.any()
    assert (weights[1].grad == 0).tolist() == [False, True, False, False]


@pytest.mark.parametrize("pull", [-0.9, 0.0, 0.9])
def test_a_bargain_solves_the_equation_of_the_game(rng: torch.Generator, pull: float) -> None:
    """GᵀG α = 1/α, entry by entry, for the α > 0 with which it combines the two."""
    a, across = drawn(rng, 20), drawn(rng, 20)
    b = 0.2 * (pull * a + (1 - abs(pull)) * across)
    joint = bargained(a, b)
    assert joint is not None
    columns = torch.stack([a, b], 1)
    alpha = torch.linalg.lstsq(columns, joint[:, None]).solution[:, 0]
    assert (alpha > 0).all()
    torch.testing.assert_close(columns.T @ columns @ alpha, 1 / alpha)
    assert joint.norm() == pytest.approx(2**0.5)


def test_there_is_no_bargain_between_opposites_or_with_nothing(rng: torch.Generator) -> None:
    a = drawn(rng, 20)
    assert bargained(a, -3 * a) is None
    assert bargained(a, torch.zeros_like(a)) is None


@pytest.mark.parametrize("size", [0.1, 1.0, 10.0])
def test_what_is_kept_in_mind_is_the_least_of_the_quadratic_program(
    rng: torch.Generator, size: float
) -> None:
    """min ½ (‖m‖² + ε) v² + v g·m over v ≥ ½, on a fine grid."""
    memory = drawn(rng, 12) * size
    gradient = drawn(rng, 12) - 0.3 * memory
    if gradient @ memory >= 0:
        gradient = gradient - 1.2 * (gradient @ memory) / memory.square().sum() * memory
    v = float((kept_in_mind(gradient, memory) - gradient) @ memory / memory.square().sum())
    along, square = float(gradient @ memory), float(memory.square().sum()) + 1e-3
    grid = np.linspace(0.5, 20.0, 195001)
    best = grid[np.argmin(0.5 * square * grid**2 + along * grid)]
    assert v == pytest.approx(best, abs=1e-4)


def test_a_gradient_that_agrees_with_the_memory_stays(rng: torch.Generator) -> None:
    memory = drawn(rng, 12)
    assert kept_in_mind(2 * memory, memory).tolist() == (2 * memory).tolist()
    opposed = kept_in_mind(-4 * memory, memory, damping=0.0)
    torch.testing.assert_close(opposed, torch.zeros_like(memory))
