"""Gradients and Hessians as vectors, linear systems and noise, in float64."""

from __future__ import annotations

import pytest
import torch
from tiny_problem import everything, flat, linear_problem
from torch.nn import functional as F

from tasks.unlearners.steps.curvature import (
    FURTHER_BACKWARDS,
    conjugate_gradients,
    mean_hessian_product,
)
from tasks.unlearners.steps.gradients import flatten, mean_gradient, split_like, write_weights
from tasks.unlearners.steps.noise import add_noise


def positive(size: int) -> torch.Tensor:
    """A symmetric positive definite matrix."""
    root = torch.randn(size, size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return root @ root.T + torch.eye(size)


def test_conjugate_gradients_solve_a_system_in_as_many_steps_as_unknowns() -> None:
    matrix, target = positive(7), torch.arange(7, dtype=torch.float64)
    *_, solution = conjugate_gradients(lambda v: matrix @ v, target, 7)
    torch.testing.assert_close(solution, torch.linalg.solve(matrix, target), rtol=1e-9, atol=1e-10)


def test_conjugate_gradients_stop_at_negative_curvature_and_at_the_solution() -> None:
    matrix = torch.diag(torch.tensor([1.0, -2.0]).double())
    target = torch.tensor([1.0, 1.0]).double()
    assert [x.tolist() for x in conjugate_gradients(lambda v: matrix @ v, target, 3)] == [
        [0, 0]
    ] * 3
    nothing = list(conjugate_gradients(lambda v: v, torch.zeros(2), 2))
    assert [x.tolist() for x in nothing] == [[0, 0]] * 2
    exact = list(conjugate_gradients(lambda v: v, target, 3))
    assert all(torch.equal(x, target) for x in exact)


@pytest.mark.parametrize("batch_size", [5, 12])
def test_means_over_batches_of_unequal_sizes_are_means_over_examples(batch_size: int) -> None:
    problem = linear_problem()
    x, y = everything(problem.retain)

    def loss(point: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(F.linear(x, point[:9].view(3, 3), point[9:]), y)

    point = flat(problem.model)
    vector = torch.linspace(-1, 1, 12, dtype=torch.float64)
    gradient = torch.autograd.functional.jacobian(loss, point)
    _, product = torch.autograd.functional.hvp(loss, point, vector)
    found = mean_gradient(problem.model, problem.retain.ordered(batch_size))
    torch.testing.assert_close(found, gradient, rtol=1e-10, atol=1e-12)
    counted: list[int] = []
    batches = problem.retain.ordered(batch_size)
    found = mean_hessian_product(problem.model, batches, vector, counted.append)
    assert sum(counted) == FURTHER_BACKWARDS * 12
    torch.testing.assert_close(found, product, rtol=1e-10, atol=1e-12)


def test_a_vector_is_cut_and_joined_and_written() -> None:
    tensors = [torch.zeros(2, 3), torch.zeros(4)]
    vector = torch.arange(10.0)
    assert torch.equal(flatten(split_like(vector, tensors)), vector)
    model = linear_problem().model
    write_weights(model, torch.arange(12.0).double())
    assert model.head.bias.tolist() == [9, 10, 11]


def test_noise_has_mean_0_and_its_standard_deviation() -> None:
    weight = torch.ones(100_000, dtype=torch.float64)
    add_noise([weight], 0.3, torch.Generator().manual_seed(0))
    assert abs(float(weight.mean()) - 1) < 4 * 0.3 / 100_000**0.5
    assert float(weight.std()) == pytest.approx(0.3, rel=0.01)
