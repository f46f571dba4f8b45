"""What a method is given: teachers and blanks are made on demand, and what passes through them is paid for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch.nn import functional as F

from tasks.errors import InvalidValue
from tasks.models.network import Network
from tasks.problem import Problem
from tasks.roles import ORIGINAL
from tasks.unlearners.base import Unlearner
from tasks.workbench import Workbench


def same(a: Network, b: Network) -> bool:
    """Whether all weights and statistics are bit for bit the same."""
    ours, theirs = a.state_dict(), b.state_dict()
    return all(torch.equal(ours[name], theirs[name]) for name in ours)


def tensors(model: Network) -> dict[int, torch.Tensor]:
    """By where they are in memory."""
    return {t.data_ptr(): t for t in model.state_dict().values()}


@pytest.fixture
def given(bench: Workbench) -> tuple[Problem, Callable[[], tuple[int, int]]]:
    """A problem, and what has passed so far: gradient samples and forward samples."""
    problem, meter = bench.problem(Unlearner(), 0)
    return problem, lambda: (meter.gradient_samples, meter.forward_samples)


def test_it_starts_from_the_original_and_says_what_is_forgotten(bench: Workbench, given) -> None:  # type: ignore[no-untyped-def]
    problem, _ = given
    assert same(problem.model, bench.model(bench.artifact(ORIGINAL))[0])
    assert (problem.classes, problem.forgotten_classes) == (10, (1,))
    assert problem.device == bench.device
    assert problem.dtype == torch.float32
    assert torch.equal(
        torch.rand(3, generator=problem.rng), torch.rand(3, generator=bench.generator(0))
    )


def test_nothing_of_a_problem_is_held_out(bench: Workbench, given) -> None:  # type: ignore[no-untyped-def]
    problem, _ = given
    seen = len(problem.retain) + len(problem.forget)
    assert seen == len(bench.dataset.train)
    splits = [v for v in vars(problem).values() if hasattr(v, "indices")]
    assert splits == [problem.retain, problem.forget]


def test_each_teacher_is_a_new_frozen_copy_whatever_became_of_the_model(
    bench: Workbench, given
) -> None:  # type: ignore[no-untyped-def]
    problem, _ = given
    with torch.no_grad():
        for p in problem.model.parameters():
            p.add_(1.0)
    first, second = problem.original(), problem.original()
    assert same(first, second)
    assert same(first, bench.model(bench.artifact(ORIGINAL))[0])
    assert not tensors(first).keys() & tensors(second).keys()
    assert not first.training
    assert not any(p.requires_grad for p in first.parameters())
    assert problem.model.head.weight.requires_grad


def test_what_passes_through_a_teacher_counts_as_forward_samples(given) -> None:  # type: ignore[no-untyped-def]
    problem, passed = given
    teacher, x = problem.original(), problem.forget.sample(7, problem.rng)
    loss = F.mse_loss(problem.model(x), teacher(x))
    loss.backward()
    assert passed() == (7, 7)
    with torch.no_grad():
        teacher(x)
    assert passed() == (7, 14)


def test_an_attack_through_a_teacher_counts_as_gradient_samples(given) -> None:  # type: ignore[no-untyped-def]
    problem, passed = given
    teacher, x = problem.original(), problem.forget.sample(7, problem.rng).requires_grad_()
    (gradient,) = torch.autograd.grad(teacher(x).sum(), x)
    assert gradient.abs().sum() > 0
    assert passed() == (7, 0)


def test_a_blank_is_drawn_from_the_problem_s_generator(bench: Workbench, given) -> None:  # type: ignore[no-untyped-def]
    problem, passed = given
    first, second = problem.blank(), problem.blank()
    assert not same(first, second)
    assert same(first, bench.problem(Unlearner(), 0)[0].blank())
    assert not same(first, bench.problem(Unlearner(), 1)[0].blank())
    assert first.training
    assert all(p.requires_grad for p in first.parameters())
    first(problem.forget.sample(5, problem.rng)).sum().backward()
    assert passed() == (5, 0)


@dataclass(frozen=True)
class Wants(Unlearner):
    """Needs what nobody has."""

    needs: ClassVar[frozenset[str]] = frozenset({"crystal_ball"})


def test_the_workbench_refuses_a_method_that_needs_what_no_problem_offers(bench: Workbench) -> None:
    with pytest.raises(
        InvalidValue, match=r"^Wants needs crystal_ball, which no problem offers; valid: .*$"
    ):
        bench.problem(Wants(), 0)


def test_copies_and_blanks_leave_torch_s_own_generator_alone(given) -> None:  # type: ignore[no-untyped-def]
    """A layer fills itself from it when it is made."""
    problem, _ = given
    before = torch.get_rng_state()
    problem.original()
    problem.blank()
    assert torch.equal(before, torch.get_rng_state())
