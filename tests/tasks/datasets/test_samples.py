"""Which examples an attacker sees: alike in class on both sides, other ones on each half."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_outputs import evaluation

from tasks.datasets.dataset import Dataset
from tasks.datasets.halves import held_out_halves
from tasks.errors import InvalidValue
from tasks.evaluation.outputs import Evaluation, Outputs
from tasks.evaluation.samples import check_attackable, class_matched, sample_of
from tasks.forget_sets import forget_set
from tasks.task import Task


def labelled(labels: np.ndarray) -> Outputs:
    return Outputs(np.zeros((len(labels), 12), np.float32), np.asarray(labels, np.int64))


@settings(max_examples=50)
@given(
    members=st.lists(st.integers(0, 300), min_size=3, max_size=3),
    others=st.lists(st.integers(20, 200), min_size=3, max_size=3),
)
def test_class_matching_makes_the_histograms_equal(members: list[int], others: list[int]) -> None:
    sides = [np.repeat(np.arange(3), counts) for counts in (members, others)]
    drawn = class_matched(*sides)
    taken = [
        np.bincount(side[chosen], minlength=3) for side, chosen in zip(sides, drawn, strict=True)
    ]
    assert all(len(set(chosen.tolist())) == len(chosen) for chosen in drawn)
    assert np.array_equal(taken[0], taken[1])
    share = min([1.0, *(o / m for m, o in zip(members, others, strict=True) if m)])
    wanted = [max(1, m * share) if m else 0 for m in members]
    assert (abs(taken[0] - wanted) < 1 + 1e-6).all(), "not the members' histogram"


@pytest.mark.parametrize("share", [0.02, 0.03, 0.05, 0.1])
def test_the_halves_attack_no_member_twice_however_rare_its_class(
    digits: Dataset, share: float
) -> None:
    """A class with one forgotten example gave that one to both halves."""
    for seed in range(30):
        forget = digits.train.labels[forget_set(f"random:{share}", seed).mask(digits)]
        validation, test = held_out_halves(digits.held_out.labels, seed)
        parts = {
            "forget": forget,
            "validation": digits.held_out.labels[validation],
            "test": digits.held_out.labels[test],
        }
        case = evaluation(**{name: labelled(part) for name, part in parts.items()})
        samples = [sample_of(case, half) for half in ("validation", "test")]
        assert not set(samples[0].members) & set(samples[1].members)
        assert not set(samples[0].forgotten) & set(samples[1].forgotten)
        assert sum(len(s.forgotten) for s in samples) == len(forget)
        for sample in samples:
            assert set(sample.members) <= set(sample.forgotten)


def test_a_forgotten_class_is_looked_for_in_the_held_out_half_as_well() -> None:
    labels = np.arange(120) % 4
    case = evaluation((2,), forget=labelled(np.full(40, 2)), test=labelled(labels))
    assert (labels[sample_of(case, "test").kin] == 2).all()
    assert len(sample_of(case, "test").kin) == 30
    assert len(sample_of(evaluation(), "test").kin) == 0


def test_a_sample_is_the_same_for_every_model() -> None:
    rng = np.random.default_rng(0)
    cases: list[Evaluation] = []
    for _ in range(2):
        parts = {n: rng.normal(size=(200, 4)).astype(np.float32) for n in ("forget", "test")}
        cases.append(evaluation(**{n: Outputs(p, np.arange(200) % 4) for n, p in parts.items()}))
    first, second = (sample_of(case, "test") for case in cases)
    assert np.array_equal(first.members, second.members)
    assert np.array_equal(first.others, second.others)


def test_a_class_that_a_half_lacks_is_said_before_anything_is_trained() -> None:
    held_out = np.r_[np.zeros(20, np.int64), np.ones(1, np.int64)]
    with pytest.raises(InvalidValue, match=r"too few examples of dog to judge"):
        check_attackable(np.arange(40) % 2, held_out, held_out_halves(held_out, 0), ("cat", "dog"))
    enough = np.arange(20) % 2
    check_attackable(np.arange(40) % 2, enough, held_out_halves(enough, 0), ("cat", "dog"))


def test_a_forget_set_of_a_handful_is_said_before_anything_is_trained() -> None:
    held_out = np.zeros(50, np.int64)
    halves = held_out_halves(held_out, 0)
    with pytest.raises(InvalidValue, match=r"a forget set of 10 examples.* attackers 5 of either"):
        check_attackable(np.zeros(10, np.int64), held_out, halves, ("cat",))
    with pytest.raises(InvalidValue, match="a forget set of 11 examples"):
        Task.named("digits-random:0.009").load()
