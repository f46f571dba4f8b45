"""The loss attack: the starting kit's, spelt with scikit-learn, and what it is given to tell apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_outputs import drawn, evaluation, made
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedShuffleSplit, cross_val_score

from tasks.evaluation.attacks.loss import (
    _folds,
    attack_accuracy,
    class_matched_attack,
    simple_attack,
    two_sided,
)
from tasks.evaluation.attacks.regression import fit_regressions
from tasks.evaluation.outputs import Outputs


def test_identical_distributions_cannot_be_told_apart() -> None:
    scores = [attack_accuracy(drawn(400, 1.0, 2 * s), drawn(400, 1.0, 2 * s + 1)) for s in range(5)]
    assert np.mean(scores) == pytest.approx(0.5, abs=0.03)


def test_losses_far_apart_are_told_apart_on_either_side() -> None:
    low, high = drawn(300, 0.01, 0), 5 + drawn(300, 0.5, 1)
    assert attack_accuracy(low, high) > 0.99
    assert attack_accuracy(high, low) > 0.99


@pytest.mark.parametrize("scale", [0.2, 1.0, 2.0, 5.0])
def test_the_attack_is_the_starting_kits_cross_validation(scale: float) -> None:
    """The definition in metrics.md, spelt with scikit-learn's own cross_val_score, but for the draws."""
    count, repeats, found, expected = 150, 20, [], []
    for seed in range(repeats):
        members, others = drawn(count, 1.0, seed), drawn(count, scale, seed + 100)
        found.append(attack_accuracy(members, others))
        scores = cross_val_score(
            LogisticRegression(),
            np.r_[others, members].reshape(-1, 1),
            np.r_[np.zeros(count), np.ones(count)],
            cv=StratifiedShuffleSplit(n_splits=10, random_state=0),
            scoring="accuracy",
        )
        expected.append(scores.mean())
    # Ten tenths of 300 rows differ from ten others of them by .036.
    noise = 0.036 / np.sqrt(repeats)
    assert np.mean(found) == pytest.approx(np.mean(expected), abs=4 * noise)


@pytest.mark.parametrize("scale", [1e-6, 1e-2, 1.0, 50.0])
def test_the_attacks_regressions_are_scikit_learns_at_their_minimum(scale: float) -> None:
    """Also where no feature tells anything, and where one tells all; each as if it were alone."""
    y = np.repeat([0, 1], 150)
    x = np.stack(
        [
            np.r_[drawn(150, scale, seed), factor * drawn(150, scale, seed + 9)]
            for seed, factor in enumerate((1.0, 1.3, 40.0))
        ]
    )
    slopes, intercepts = fit_regressions(x, y)
    for row, slope, intercept in zip(x, slopes, intercepts, strict=True):
        theirs = LogisticRegression(solver="newton-cholesky", tol=1e-12).fit(row[:, None], y)
        wanted = theirs.coef_[0, 0], theirs.intercept_[0]
        assert (slope, intercept) == pytest.approx(wanted, rel=1e-6, abs=1e-8)


def test_a_feature_that_separates_the_sides_widely_has_a_minimum_too() -> None:
    """An undamped Newton step from zero runs away there: with s·x of hundreds, no curvature is left."""
    y, x = np.repeat([0, 1], 500), np.r_[np.full(500, -400.0), np.full(500, 401.0)]
    (slope,), (intercept,) = fit_regressions(x[None], y)
    p = 1 / (1 + np.exp(-(x * slope + intercept)))
    assert (x * (p - y)).sum() + slope == pytest.approx(0, abs=1e-5)
    assert (p - y).sum() == pytest.approx(0, abs=1e-5)


@given(st.integers(6, 400), st.integers(6, 400))
def test_each_split_scores_a_tenth_of_either_side_and_fits_the_rest(
    others: int, members: int
) -> None:
    fits, scores = _folds(others, members)
    assert len({tuple(score) for score in scores}) > 1
    for fit, score in zip(fits, scores, strict=True):
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
    case = evaluation(forget=members, test=others)
    assert class_matched_attack(case, "test") == pytest.approx(0.5, abs=0.15)  # three deviations


def test_small_losses_are_told_apart_too() -> None:
    """scikit-learn's regression on them stops after its first step: accuracy .5 although the AUC is .995."""
    rng = np.random.default_rng(0)
    members, others = rng.exponential(1e-6, 300), rng.exponential(2e-4, 300)
    labels = np.zeros(300, np.int64)
    case = evaluation(forget=made(np.tile(members, 2), np.tile(labels, 2)), test=made(others))
    assert class_matched_attack(case, "test") > 0.9
    assert simple_attack(case.forget, case.test) > 0.9


def test_two_sided_punishes_a_perverse_attack_as_much_as_a_telling_one() -> None:
    assert two_sided(0.5) == 1
    assert two_sided(1.0) == two_sided(0.0) == 0
    assert two_sided(0.4) == pytest.approx(two_sided(0.6)) == pytest.approx(0.8)
