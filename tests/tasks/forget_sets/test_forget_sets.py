"""Which examples are forgotten, and how the held-out data are halved."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.datasets.dataset import Dataset
from tasks.datasets.halves import held_out_halves
from tasks.errors import InvalidValue
from tasks.forget_sets import FORGET_SETS, forget_set, forgotten_classes
from tasks.task import Task


def test_a_class_forget_set_is_every_training_example_of_it(digits: Dataset) -> None:
    mask = forget_set("class:7", seed=0).mask(digits)
    assert np.array_equal(mask, digits.train.labels == 7)
    assert forgotten_classes(digits, mask) == (7,)


def test_a_class_forget_set_does_not_depend_on_the_seed(digits: Dataset) -> None:
    assert np.array_equal(
        forget_set("class:7", 0).mask(digits), forget_set("class:7", 1).mask(digits)
    )


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
def test_a_random_forget_set_has_its_share_and_no_class_is_gone(
    digits: Dataset, share: float
) -> None:
    mask = forget_set(f"random:{share}", seed=0).mask(digits)
    assert mask.sum() == round(share * len(digits.train))
    assert forgotten_classes(digits, mask) == ()


def test_a_random_forget_set_is_decided_by_its_seed(digits: Dataset) -> None:
    first, same, other = (forget_set("random:0.1", seed).mask(digits) for seed in (3, 3, 4))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("argument", ["0", "1", "1.5", "-0.1", "nan", "inf", "tenth", ""])
def test_a_share_outside_zero_to_one_is_refused(digits: Dataset, argument: str) -> None:
    with pytest.raises(InvalidValue, match=r"\(0, 1\)"):
        forget_set(f"random:{argument}", seed=0).mask(digits)


@pytest.mark.parametrize("share", ["0.00001", "0.004", "0.9999"])
def test_a_share_that_leaves_too_few_on_either_side_is_refused(digits: Dataset, share: str) -> None:
    """An attack cannot be cross-validated on five examples, nor a model kept on none."""
    with pytest.raises(InvalidValue, match=share):
        forget_set(f"random:{share}", seed=0).mask(digits)


def test_an_unknown_class_lists_the_classes(digits: Dataset) -> None:
    with pytest.raises(InvalidValue, match="0, 1, 2, 3, 4, 5, 6, 7, 8, 9"):
        forget_set("class:eleven", seed=0).mask(digits)


def test_an_unknown_kind_lists_the_kinds(digits: Dataset) -> None:
    with pytest.raises(InvalidValue) as raised:
        forget_set("superclass:x", seed=0).mask(digits)
    assert all(kind in str(raised.value) for kind in FORGET_SETS)


def test_a_random_forget_set_is_the_start_of_a_permutation(digits: Dataset) -> None:
    """As ever since 0.1.0: the models that stores hold were retrained without these examples."""
    count = len(digits.train)
    chosen = np.random.default_rng(3).permutation(count)[: round(0.1 * count)]
    mask = forget_set("random:0.1", seed=3).mask(digits)
    assert mask.dtype == bool
    assert np.array_equal(np.flatnonzero(mask), np.sort(chosen))


@pytest.mark.parametrize("spec", ["class:1", "random:0.1"])
def test_what_forgets_existing_examples_leaves_the_data_alone(digits: Dataset, spec: str) -> None:
    assert forget_set(spec, 0).apply(digits) is digits


def test_a_share_that_is_none_is_refused_without_data() -> None:
    with pytest.raises(InvalidValue, match=r"\(0, 1\)"):
        Task.named("cifar10-random:2")


@pytest.mark.parametrize("kind", list(FORGET_SETS))
def test_every_kind_says_what_its_argument_is(kind: str) -> None:
    first, _, rest = (FORGET_SETS.resolve(kind).__doc__ or "").partition(": ")
    assert first.isupper()
    assert rest


@given(
    labels=st.lists(st.integers(0, 6), min_size=1, max_size=200).map(np.array),
    seed=st.integers(0, 10_000),
)
def test_halves_are_disjoint_complete_and_stratified(labels: np.ndarray, seed: int) -> None:
    validation, test = held_out_halves(labels, seed)
    together = np.concatenate([validation, test])
    assert np.array_equal(np.sort(together), np.arange(len(labels)))
    counts = [np.bincount(labels[half], minlength=7) for half in (validation, test)]
    assert abs(counts[0] - counts[1]).max() <= 1


def test_halves_are_decided_by_their_seed(digits: Dataset) -> None:
    labels = digits.held_out.labels
    first, same, other = (held_out_halves(labels, seed)[0] for seed in (0, 0, 1))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)
