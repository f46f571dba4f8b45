"""Distances of two samples, against closed forms and independent computations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from tasks.evaluation.logits import log_odds, softmax
from tasks.evaluation.statistics import auc, auc_error, auc_interval, js_divergence, ks_distance

NUMBERS = st.lists(st.integers(-5, 5), min_size=1, max_size=30)


def shifted(distance: float, count: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """N(d, 1) and N(0, 1) as their own quantiles: no chance is left."""
    points = norm.ppf((np.arange(count) + 0.5) / count)
    return points + distance, points


@pytest.mark.parametrize(("distance", "area"), [(0.0, 0.5), (1.0, 0.760250), (2.0, 0.921350)])
def test_the_auc_of_two_normals(distance: float, area: float) -> None:
    assert auc(*shifted(distance)) == pytest.approx(area, abs=1e-3)


@given(NUMBERS, NUMBERS)
def test_the_auc_is_scikit_learns_also_with_ties(members: list[int], others: list[int]) -> None:
    truth = np.r_[np.ones(len(members)), np.zeros(len(others))]
    expected = roc_auc_score(truth, np.r_[members, others])
    assert auc(np.array(members), np.array(others)) == pytest.approx(expected, abs=1e-12)


def test_the_error_of_an_auc() -> None:
    assert auc_error(0.76, 500, 500) == pytest.approx(0.01511, abs=5e-6)
    assert auc_error(1.0, 500, 500) == 0.0


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        low, high = auc_interval(rng.normal(1, 1, 80), rng.normal(0, 1, 80))
        covered += low <= 0.760250 <= high
    assert covered / 400 == pytest.approx(0.95, abs=0.035)


def test_an_interval_stays_within_what_can_be() -> None:
    assert auc_interval(np.array([2.0, 3, 1]), np.array([0.0, 1.5]))[1] == 1.0


@pytest.mark.parametrize("distance", [0.0, 0.5, 1.0, 2.0])
def test_the_ks_distance_of_two_normals(distance: float) -> None:
    expected = 2 * norm.cdf(distance / 2) - 1
    assert ks_distance(*shifted(distance)) == pytest.approx(expected, abs=1e-3)


@given(NUMBERS, NUMBERS)
def test_the_ks_distance_is_the_largest_gap_at_any_point(a: list[int], b: list[int]) -> None:
    gaps = [abs(np.mean(np.array(a) <= x) - np.mean(np.array(b) <= x)) for x in range(-5, 6)]
    assert ks_distance(np.array(a), np.array(b)) == pytest.approx(max(gaps), abs=1e-12)


def test_ks_sees_what_an_auc_cannot() -> None:
    members, others = np.r_[-np.ones(50), np.ones(50)], np.zeros(100)
    assert auc(members, others) == 0.5
    assert ks_distance(members, others) == 0.5


def test_the_js_divergence_in_bits() -> None:
    sure, torn = np.array([1.0, 0.0]), np.array([0.5, 0.5])
    assert js_divergence(sure, torn) == pytest.approx(0.311278, abs=1e-6)
    assert js_divergence(sure, torn) == js_divergence(torn, sure)
    assert js_divergence(sure, 1 - sure) == 1
    assert js_divergence(torn, torn) == 0
    stacked = js_divergence(np.stack([sure, torn]), np.stack([[torn, torn], [sure, sure]]))
    assert stacked.shape == (2, 2)


def test_log_odds_are_those_of_the_softmax_where_it_is_not_rounded() -> None:
    logits = np.log(np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]]))
    assert log_odds(logits, np.array([0, 0])) == pytest.approx(
        [0.847298, math.log(0.1 / 0.9)], abs=1e-6
    )
    both = np.stack([logits, logits + 3])
    assert np.allclose(log_odds(both, np.array([0, 0]))[0], log_odds(logits, np.array([0, 0])))
    np.testing.assert_allclose(softmax(both)[1], np.exp(logits), rtol=1e-12)


def test_log_odds_are_finite_where_a_softmax_rounds_to_one() -> None:
    logits = np.array([[100.0, 0.0, 0.0], [0.0, 2e4, 0.0]], np.float32)
    assert log_odds(logits, np.array([0, 1])) == pytest.approx(
        [100 - math.log(2), 2e4 - math.log(2)]
    )
