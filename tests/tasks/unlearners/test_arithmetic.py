"""Task arithmetic: what fine-tuning adds is taken away."""

from __future__ import annotations

import copy

import pytest
import torch
from tiny_problem import flat, linear_problem, run

from tasks.unlearners.arithmetic.negmerge import NegMerge
from tasks.unlearners.arithmetic.task_negation import TaskNegation
from tasks.unlearners.base import SGDUnlearner, trainable
from tasks.unlearners.steps.task_vectors import consensus
from tasks.workbench import Workbench


@pytest.mark.parametrize("strength", [0.5, 4.0])
def test_negation_goes_as_far_back_as_the_tuning_went_on(strength: float) -> None:
    problem = linear_problem()
    tuned = copy.deepcopy(problem.model)
    optimizer = torch.optim.SGD(tuned.parameters(), 0.05, momentum=0.9)
    rng = torch.Generator()
    rng.set_state(problem.rng.get_state())
    ends = []
    for _ in range(2):
        for x, y in problem.forget.batches(2, rng):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(tuned(x), y).backward()
            optimizer.step()
        ends.append(flat(tuned))
    method = TaskNegation(strength=strength, lr=0.05, epochs=2, batch_size=2)
    start, *found = run(method, problem)
    for end, negated in zip(ends, found, strict=True):
        torch.testing.assert_close(
            negated, start - strength * (end - start), rtol=1e-10, atol=1e-12
        )


def test_a_consensus_keeps_the_mean_where_all_signs_agree() -> None:
    vectors = [torch.tensor(v) for v in ([1.0, -2.0, 3.0, 0.0], [3.0, -4.0, -1.0, 1.0])]
    assert torch.equal(consensus(vectors), torch.tensor([2.0, -3.0, 0.0, 0.0]))
    assert torch.equal(consensus(vectors[:1]), vectors[0])


def test_negmerge_moves_no_weight_that_its_copies_disagree_on(bench: Workbench) -> None:
    """The more copies, the fewer weights move; each moves by the mean of the copies' steps."""
    problem, _ = bench.problem(NegMerge(), 0)
    start, *states = run(NegMerge(epochs=4), problem)
    moved = [state != start for state in states]
    counts = [int(m.sum()) for m in moved]
    assert counts[0] > counts[1] > counts[2] > counts[3] > 0
    assert not (moved[3] & ~moved[0]).any()


def test_negmerge_of_one_copy_is_the_negation_at_its_own_rate() -> None:
    """The only difference is the learning rate that a copy draws, within a factor of 3."""
    problem = linear_problem()
    rng = torch.Generator()
    rng.set_state(problem.rng.get_state())
    factor = 3 ** float(2 * torch.rand((), generator=rng) - 1)
    other = linear_problem()
    other.rng.set_state(rng.get_state())
    start, merged = run(NegMerge(strength=2.0, lr=0.02, epochs=1, batch_size=2), problem)
    negated = run(TaskNegation(strength=2.0, lr=0.02 * factor, epochs=3, batch_size=2), other)[-1]
    assert 1 / 3 <= factor <= 3
    assert not torch.equal(merged, start)
    torch.testing.assert_close(merged, negated, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("method", [TaskNegation, NegMerge])
@pytest.mark.parametrize("frozen", [False, True])
def test_the_statistics_stay_the_original_s(
    bench: Workbench, method: type[SGDUnlearner], frozen: bool
) -> None:
    unlearner = method.from_params({"epochs": 1, "freeze_batch_norm": frozen})
    problem, meter = bench.problem(unlearner, 0)
    before = {n: t.clone() for n, t in problem.model.named_buffers()}
    start, end = run(unlearner, problem)
    assert all(torch.equal(before[n], t) for n, t in problem.model.named_buffers())
    assert not torch.equal(start, end)
    assert meter.gradient_samples in (len(bench.forget), 3 * len(bench.forget))
    assert all(p.requires_grad for p in trainable(problem.model))
