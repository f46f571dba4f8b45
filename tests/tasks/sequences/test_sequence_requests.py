"""Requests of a sequence, before any model: what each may see, what its keys say, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from followed_requests import HERE, THREE

from tasks.datasets.dataset import Dataset
from tasks.errors import InvalidValue
from tasks.sequences.suitability import check_method
from tasks.task import Task
from tasks.unlearners import unlearner_class


def test_the_retain_split_shrinks_and_no_request_sees_what_is_gone(digits: Dataset) -> None:
    steps = [task.find_step(digits) for task in Task.named(THREE).steps()]
    labels = digits.train.labels
    assert np.array_equal(steps[0].forget, labels == 1)
    assert np.array_equal(steps[1].forget, labels == 7)
    left = np.isin(labels, [1, 7], invert=True)
    assert steps[2].forget.sum() == round(0.05 * left.sum())
    removed = np.zeros(len(labels), bool)
    for step in steps:
        assert not (removed & (step.before | step.forget | step.retain)).any()
        assert np.array_equal(step.retain, step.before & ~step.forget)
        removed |= step.forget
    assert [task.gone_before(digits) for task in Task.named(THREE).steps()] == [(), (1,), (1, 7)]


def test_two_draws_of_one_kind_are_different_examples(digits: Dataset) -> None:
    first, second = (t.find_step(digits) for t in Task.named("digits-random:.1;random:.1").steps())
    assert not (first.forget & second.forget).any()
    ranks = [
        np.searchsorted(np.flatnonzero(s.before), np.flatnonzero(s.forget)) for s in (first, second)
    ]
    assert len(set(ranks[0]) & set(ranks[1])) < len(ranks[1]) / 2


def test_files_name_positions_of_the_stored_data(digits: Dataset, tmp_path: object) -> None:
    scores = np.arange(len(digits.train)) * 1.0
    np.save(f"{tmp_path}/list.npy", np.flatnonzero(digits.train.labels == 7)[:40])
    np.save(f"{tmp_path}/scores.npy", scores)
    spec = f"digits-class:1;index:{tmp_path}/list.npy;scores:{tmp_path}/scores.npy:top:30"
    _, listed, ranked = (task.find_step(digits) for task in Task.named(spec).steps())
    assert np.array_equal(np.flatnonzero(listed.forget), np.load(f"{tmp_path}/list.npy"))
    assert np.array_equal(np.flatnonzero(ranked.forget), np.flatnonzero(ranked.before)[-30:])
    with pytest.raises(
        InvalidValue, match="request 2 of 2: earlier requests have removed 40 of its 40"
    ):
        Task.named(f"digits-class:7;index:{tmp_path}/list.npy").timeline(digits)


def test_keys_say_what_is_left_not_how_it_was_asked(digits: Dataset) -> None:
    single, both = Task.named("digits-class:1"), Task.named("digits-class:1+7")
    first, second = Task.named("digits-class:1;class:7").steps()
    other, _ = Task.named("digits-class:7;class:1").steps()
    assert first.key(digits) == single.key(digits)
    assert first.original_key(digits, *HERE) == single.original_key(digits, *HERE)
    assert first.retrained_key(digits, *HERE) == single.retrained_key(digits, *HERE)
    assert second.retrained_key(digits, *HERE) == both.retrained_key(digits, *HERE)
    seven = Task.named("digits-class:7")
    keys = {task.key(digits) for task in (single, both, second, other, seven)}
    assert len(keys) == 4, "the first request of a sequence alone is a single one"


@pytest.mark.parametrize(
    ("name", "method", "reason"),
    [
        ("digits-class:1;class:7", "amnesiac", "needs update_log of the original's training"),
        ("digits-class:1;random:.1", "unsir", "request 2 of 2, random:.1, empties none"),
    ],
)
def test_a_method_that_cannot_follow_is_refused_at_once(
    digits: Dataset, name: str, method: str, reason: str
) -> None:
    with pytest.raises(InvalidValue, match=reason):
        check_method(Task.named(name), digits, unlearner_class(method))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("digits-class:1;", "part 2 of 2 is empty"),
        (";class:1", "part 1 of 2 is empty"),
        ("digits-class:1;;class:2", "part 2 of 3 is empty"),
        ("digits-class:1;clas:7", "did you mean class"),
        ("digits-class:1;class:1", "no training example of class '1' is there; valid: 0, 2, 3"),
        ("digits-class:1;class:7+1", "no training example of class '1'"),
        ("digits-class:1;class-share:1:.5", "would forget 0 of 1072"),
        ("digits-class:1;el2n:top:50", "needs a scoring model"),
        ("digits-class:1;confusion:3:8:20", "the first request alone"),
        ("digits-class:0+1+2+3+4;class:5+6+7+8+9", "request 2 of 2.* would forget 587 of 587"),
        ("digits-class:1;random:.001", "at least 10 must be forgotten"),
    ],
)
def test_a_sequence_that_cannot_be_is_refused_before_anything_is_trained(
    name: str, reason: str
) -> None:
    with pytest.raises(InvalidValue, match=reason) as raised:
        Task.named(name).load()
    assert "\n" not in str(raised.value)
