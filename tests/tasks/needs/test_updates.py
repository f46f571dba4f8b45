"""Updates of the data: what is old, what is new, and whether a model answers with what is stale."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from made_outputs import evaluation, made

from tasks.datasets.dataset import Dataset
from tasks.errors import InvalidValue
from tasks.evaluation.outputs import Evaluation
from tasks.evaluation.traits.updates import learned_accuracy, stale_answers
from tasks.forget_sets import forget_set, traits_of
from tasks.roles import ORIGINAL, RETRAINED
from tasks.task import Task
from tasks.trial import baseline_point
from tasks.workbench import Workbench

HERE = "float32", "cpu"


def numbers_of(seen: Evaluation) -> tuple[float | None, float | None]:
    """The accuracy on the new examples, and the share of stale answers."""
    return learned_accuracy(seen), stale_answers(seen)


def test_a_share_of_the_labels_is_wrong_and_comes_again_with_the_right_ones(
    digits: Dataset,
) -> None:
    task = Task.named("digits-relabel:0.1")
    step, data, count = task.find_step(digits), task.change(digits), len(digits.train)
    old, new = np.flatnonzero(step.forget), np.flatnonzero(step.new)
    assert len(old) == len(new) == round(0.1 * count)
    assert np.array_equal(np.flatnonzero(step.before), np.arange(count))
    assert (data.train.labels[old] != digits.train.labels[old]).all()
    assert np.array_equal(data.train.labels[new], digits.train.labels[old])
    assert np.array_equal(data.train.images[new], digits.train.images[old])
    assert np.array_equal(step.stale, data.train.labels[old])
    untouched = np.setdiff1d(np.arange(count), old)
    assert np.array_equal(data.train.labels[untouched], digits.train.labels[untouched])
    # Retained are all images once, each with its right label.
    kept = np.flatnonzero(step.retain)
    right = sorted(data.train.labels[kept].tolist())
    assert right == sorted(digits.train.labels.tolist())
    assert np.array_equal(forget_set("relabel:0.1", 0).mask(digits), step.forget[:count])


def test_a_half_of_a_class_is_held_back_and_replaces_the_other(digits: Dataset) -> None:
    task = Task.named("digits-replace:7")
    step, members = task.find_step(digits), digits.train.labels == 7
    assert task.change(digits) is digits
    assert np.array_equal(step.forget | step.new, members)
    assert not (step.forget & step.new).any()
    assert np.array_equal(step.before, ~step.new)
    assert np.array_equal(step.retain, ~step.forget)
    assert abs(int(step.forget.sum()) - int(step.new.sum())) <= 1


def test_wrong_labels_are_of_classes_that_are_still_there(digits: Dataset) -> None:
    steps = Task.named("digits-class:7;relabel:0.2;class:3;relabel:0.2").steps()
    data = steps[0].change(digits)
    first, _, third, last = (task.find_step(digits) for task in steps)
    assert not (data.train.labels[first.retain] == 7).any()
    assert not (last.forget & third.new).any(), "what came by an update was never wrong"
    assert last.stale is not None
    assert not set(last.stale) & {3, 7}
    assert not (data.train.labels[third.retain] == 3).any()


def test_what_has_other_data_has_other_keys(digits: Dataset) -> None:
    plain, noisy = Task.named("digits-class:7"), Task.named("digits-class:7;relabel:0.1")
    held, other = Task.named("digits-replace:7"), Task.named("digits-replace:3")
    keys = {t.original_key(digits, *HERE) for t in (plain, noisy, held, other)}
    assert len(keys) == 4
    assert len({t.retrained_key(digits, *HERE) for t in (plain, noisy, held, other)}) == 4
    assert traits_of(digits, "relabel:0.1", 0) == {"update", "relabelling"}
    assert traits_of(digits, "replace:7", 0) == {"update"}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("digits-relabel:2", r"relabel:2: the share must be a number in \(0, 1\)"),
        ("digits-relabel:.001", "would forget 1 of 1198"),
        ("digits-replace:eleven", "unknown class 'eleven'; valid: 0, 1"),
        ("digits-class:1;replace:1", "no training example of class '1' is there"),
    ],
)
def test_an_update_that_cannot_be_is_refused(name: str, reason: str) -> None:
    with pytest.raises(InvalidValue, match=reason):
        Task.named(name).load()


def test_stale_answers_are_counted_among_the_new_examples() -> None:
    """Of four images, labelled 0, the first two are answered 1 and the others 0."""
    learned = made(np.array([2.0, 2.0, 0.1, 0.1]))
    seen = replace(evaluation(), learned=learned, stale_labels=np.array([1, 2, 1, 0]))
    assert numbers_of(seen) == (0.5, 0.5)
    assert numbers_of(replace(seen, stale_labels=None)) == (0.5, None)
    assert numbers_of(evaluation()) == (None, None)


def test_the_original_answers_stale_where_it_learned_wrong_labels(
    workbenches: Callable[..., Workbench],
) -> None:
    """A retrained model saw the corrected labels alone: it gives hardly any old one."""
    bench = workbenches("digits-relabel:0.1")
    points = {
        role: baseline_point(bench, bench.artifact(role), trained_for_this=False).metrics
        for role in (ORIGINAL, RETRAINED)
    }
    before, after = points[ORIGINAL], points[RETRAINED]
    assert before["stale_answers"] == before["forget_accuracy"], "the same images, the same labels"
    assert before["stale_answers"] > after["stale_answers"]
    assert after["stale_answers"] < 0.02
    assert after["learned_accuracy"] > 0.97
    assert before["learned_accuracy"] < after["learned_accuracy"]
    assert len(bench.retain) == len(bench.dataset.train)
