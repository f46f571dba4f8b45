"""Batches that mix two sets: everything once, evenly spread."""

from __future__ import annotations

import pytest
import torch
from tiny_problem import linear_problem

from tasks.unlearners.steps.batches import MadeExamples, mixed_batches


@pytest.fixture
def rng() -> torch.Generator:
    """A generator of the test's own."""
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize(
    ("retain", "made", "size", "share"), [(90, 10, 20, 1.0), (7, 40, 8, 1.0), (80, 5, 10, 0.5)]
)
def test_mixed_batches_read_everything_once_in_proportion(
    rng: torch.Generator, retain: int, made: int, size: int, share: float
) -> None:
    problem = linear_problem(retain=retain, forget=2)
    numbered = torch.arange(made).float().view(-1, 1, 1, 1).expand(-1, 1, 1, 3)
    others = MadeExamples(numbered, torch.full((made,), 9))
    batches = list(mixed_batches(problem.retain, others, size, rng, share=share))
    assert sum(int(mark.sum()) for *_, mark in batches) == made
    assert sum(int((~mark).sum()) for *_, mark in batches) == round(share * retain)
    seen = torch.cat([x[mark] for x, _, mark in batches])[:, 0, 0, 0]
    assert torch.equal(seen.sort().values, torch.arange(made).float())
    assert not torch.equal(seen, torch.arange(made).float()), "shuffled"
    for _, y, mark in batches:
        assert torch.equal(y == 9, mark)
        assert len(y) <= size + 2
    ratio = made / (made + share * retain)
    assert all(abs(float(m.float().mean()) - ratio) <= 1.5 / len(m) for *_, m in batches[:-1])


def test_few_others_are_spread_over_all_mixed_batches(rng: torch.Generator) -> None:
    """Seven among 17 batches: ⌈7(i + 1)/17⌉ − ⌈7i/17⌉ in batch i; of 90 beside them ⌊90(i + 1)/17⌋ − ⌊90i/17⌋."""
    others = MadeExamples(torch.zeros(7, 1, 1, 3), torch.full((7,), 9))
    retain = linear_problem(retain=90, forget=2).retain
    marks = [mark for *_, mark in mixed_batches(retain, others, 6, rng)]
    assert [int(m.sum()) for m in marks] == [1, 0, 1, 0, 1, 0, 0, 1, 0, 1, 0, 0, 1, 0, 1, 0, 0]
    assert [int((~m).sum()) for m in marks] == [5, 5, 5, 6, 5, 5, 6, 5, 5, 5, 6, 5, 5, 6, 5, 5, 6]


def test_a_mixed_batch_of_one_is_never_empty(rng: torch.Generator) -> None:
    problem = linear_problem(retain=5, forget=3)
    sizes = [len(y) for _, y, _ in mixed_batches(problem.retain, problem.forget, 1, rng)]
    assert sizes == [1] * 8


def test_sets_that_divide_evenly_are_mixed_batch_by_batch(rng: torch.Generator) -> None:
    """Bit for bit as their own batches come, in turn."""
    problem, again = linear_problem(retain=12, forget=6), torch.Generator().manual_seed(0)
    pairs = zip(problem.retain.batches(4, again), problem.forget.batches(2, again), strict=True)
    for (x, y, _), ((x_r, y_r), (x_f, y_f)) in zip(
        mixed_batches(problem.retain, problem.forget, 6, rng), pairs, strict=True
    ):
        assert torch.equal(x, torch.cat([x_r, x_f]))
        assert torch.equal(y, torch.cat([y_r, y_f]))


def test_made_examples_come_in_even_batches(rng: torch.Generator) -> None:
    made = MadeExamples(torch.zeros(21, 1, 1, 1), torch.arange(21))
    labels = [y for _, y in made.batches(10, rng)]
    assert [len(y) for y in labels] == [7, 7, 7]
    assert torch.equal(torch.cat(labels).sort().values, torch.arange(21))


def test_the_smallest_share_of_the_retain_set_is_one_example(rng: torch.Generator) -> None:
    problem = linear_problem(retain=20, forget=5)
    mixed = mixed_batches(problem.retain, problem.forget, 3, rng, share=1e-3)
    assert sum(int((~mark).sum()) for *_, mark in mixed) == 1
