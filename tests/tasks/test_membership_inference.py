"""The loss attack: the starting kit's, spelt with scikit-learn, and what it is given to tell apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_outputs import drawn, made
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedShuffleSplit, cross_val_score

from tasks.evaluation.attacks.loss import (
    _folds,
    attack_accuracy,
    class_matched_attack,
    logistic_regression,
    simple_attack,
    two_sided,
)
from tasks.evaluation.outputs import Outputs


def test_identical_distributions_cannot_be_told_apart() -> None:
    scores = [attack_accuracy(drawn(400, 1.0, 2 * s), drawn(400, 1.0, 2 * s + 1)) for s in range(5)]
    assert np.mean(scores) == pytest.approx(0.5, abs=0.03)


def test_losses_far_apart_are_told_apart_on_either_side() -> None:
    low, high = drawn(300, 0.01, 0), 5 + drawn(300, 0.5, 1)
    assert attack_accuracy(low, high) > 0.99
    assert attack_accuracy(high, low) > 0.99


@settings(max_examples=20, deadline=None)
@given(
    count=st.integers(100, 300),
    scale=st.floats(0.2, 5.0),
    seed=st.integers(0, 1000),
)
def test_the_attack_is_the_starting_kits_cross_validation(
    count: int, scale: float, seed: int
) -> None:
    """The definition in metrics.md, spelt with scikit-learn's own cross_val_score, but for the draws."""
    members, others = drawn(count, 1.0, seed), drawn(count, scale, seed + 1)
    scores = cross_val_score(
        LogisticRegression(),
        np.r_[others, members].reshape(-1, 1),
        np.r_[np.zeros(count), np.ones(count)],
        cv=StratifiedShuffleSplit(n_splits=10, random_state=0),
        scoring="accuracy",
    )
    # Ten draws of a tenth, with replacement between the draws: half of the data's own noise.
    noise = 0.5 / np.sqrt(2 * count)
    assert attack_accuracy(members, others) == pytest.approx(scores.mean(), abs=4 * noise)


@pytest.mark.parametrize("scale", [1e-6, 1e-2, 1.0, 50.0])
def test_the_attacks_regression_is_scikit_learns(scale: float) -> None:
    """Also where no feature tells anything, and where one tells all."""
    for seed, factor in enumerate((1.0, 1.3, 40.0)):
        x = np.r_[drawn(150, scale, seed), factor * drawn(150, scale, seed + 9)]
        y = np.repeat([0, 1], 150)
        theirs = LogisticRegression().fit(x[:, None], y)
        wanted = pytest.approx((theirs.coef_[0, 0], theirs.intercept_[0]), rel=1e-8, abs=1e-10)
        assert logistic_regression(x, y) == wanted


@given(st.integers(6, 400), st.integers(6, 400))
@settings(deadline=None)
def test_each_split_scores_a_tenth_of_either_side_and_fits_the_rest(
    others: int, members: int
) -> None:
    splits = _folds(others, members)
    assert len({tuple(score) for _, score in splits}) > 1
    for fit, score in splits:
        assert sorted([*fit, *score]) == list(range(others + members))
        assert abs((score < others).sum() - others / 10) < 1
        assert abs((score >= others).sum() - members / 10) < 1


def test_too_few_members_for_an_attack_are_an_error_that_says_so() -> None:
    with pytest.raises(ValueError, match="5 members are too few"):
        attack_accuracy(drawn(5, 1.0, 0), drawn(5, 1.0, 1))


def test_the_simple_attack_takes_as_many_of_either_side() -> None:
    """Were the sides unequal, always guessing the larger would score far above one half."""
    few, many = made(drawn(60, 1.0, 0)), made(drawn(900, 1.0, 1))
    assert simple_attack(few, many) == pytest.approx(0.5, abs=0.12)
    assert simple_attack(many, few) == pytest.approx(0.5, abs=0.12)


def test_the_simple_attack_is_decided_by_its_fixed_subsample() -> None:
    few, many = made(drawn(60, 1.0, 0)), made(drawn(900, 2.0, 1))
    assert simple_attack(few, many) == simple_attack(made(few.losses), made(many.losses))


def test_class_matching_takes_away_what_the_class_alone_tells() -> None:
    """Class 0 is easy and class 1 is hard, for members and others alike."""
    by_class = {0: 0.05, 1: 3.0}

    def outputs_of(labels: np.ndarray, seed: int) -> Outputs:
        noise = np.random.default_rng(seed).uniform(0, 0.05, len(labels))
        return made(np.array([by_class[c] for c in labels]) + noise, labels)

    members = outputs_of(np.zeros(200, np.int64), 1)
    others = outputs_of(np.repeat([0, 1], 200), 2)
    assert simple_attack(members, others) > 0.7
    assert class_matched_attack(members, others) == pytest.approx(0.5, abs=0.15)  # three deviations


@settings(max_examples=20, deadline=None)
@given(
    members=st.lists(st.integers(0, 300), min_size=3, max_size=3),
    others=st.lists(st.integers(20, 200), min_size=3, max_size=3),
)
def test_class_matching_makes_the_histograms_equal(members: list[int], others: list[int]) -> None:
    """A loss that is its class's number shows which classes the attack was given."""
    if sum(members) < 30:
        members = [m + 30 for m in members]
    labels = [np.repeat(np.arange(3), counts) for counts in (members, others)]
    sides = [made((1.0 + y) * np.ones(len(y)), y) for y in labels]
    with pytest.MonkeyPatch.context() as patch:
        seen: list[np.ndarray] = []
        patch.setattr(
            "tasks.evaluation.attacks.loss.attack_accuracy",
            lambda a, b: seen.extend((a, b)) or 0.5,
        )
        class_matched_attack(*sides)
    taken = [np.array([np.isclose(s, 1.0 + c).sum() for c in range(3)]) for s in seen]
    assert np.array_equal(taken[0], taken[1])
    assert (taken[0] <= members).all()
    assert (taken[0] <= others).all()
    share = min(0.5, *(o / m for m, o in zip(members, others, strict=True) if m))
    wanted = [max(1, m * share) if m else 0 for m in members]
    assert (abs(taken[0] - wanted) < 1 + 1e-6).all(), "not the members' histogram"


def test_the_halves_attack_different_members_where_there_are_enough() -> None:
    """Members whose losses are all alike but for the first drawn, and the same non-members twice."""
    others = made(drawn(50, 1.0, 0), np.zeros(50, np.int64))
    labels = np.zeros(200, np.int64)
    order = np.random.default_rng(0).permutation(200)
    odd = np.ones(200)
    odd[order[:50]] = 9.0
    few = made(odd, labels)
    first, last = (class_matched_attack(few, others, end) for end in (False, True))
    assert first > last
    for drawn_first in range(50, 150):
        odd[order[drawn_first]] = 9.0
    assert class_matched_attack(made(odd, labels), others, True) == last


@pytest.mark.parametrize("count", [60, 400])
def test_the_two_halves_never_attack_the_same_members_however_few_there_are(count: int) -> None:
    """Members whose losses tell them apart, against a hundred others."""
    members = made(1 + np.arange(count) / count, np.zeros(count, np.int64))
    others = made(np.ones(100), np.zeros(100, np.int64))
    seen: list[set[float]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "tasks.evaluation.attacks.loss.attack_accuracy",
            lambda a, b: seen.append(set(a.round(6))) or 0.5,
        )
        for last in (False, True):
            class_matched_attack(members, others, last)
    assert len(seen[0]) == len(seen[1]) == min(count // 2, 100)
    assert not seen[0] & seen[1]


def test_class_matching_without_a_class_to_match_says_so() -> None:
    members, others = made(drawn(50, 1, 0), np.ones(50, np.int64)), made(drawn(50, 1, 1))
    with pytest.raises(ValueError, match="lack a class"):
        class_matched_attack(members, others)


def test_two_sided_punishes_a_perverse_attack_as_much_as_a_telling_one() -> None:
    assert two_sided(0.5) == 1
    assert two_sided(1.0) == two_sided(0.0) == 0
    assert two_sided(0.4) == pytest.approx(two_sided(0.6)) == pytest.approx(0.8)
