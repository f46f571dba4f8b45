"""Attacks by many models, on models that never were: normal signals have closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from tasks.errors import InvalidValue
from tasks.evaluation.shadows.forgetting_quality import (
    bucket,
    epsilon,
    forgetting_quality,
    mean_quality,
)
from tasks.evaluation.shadows.incidence import IN, OUT, UNLEARN, assign_roles
from tasks.evaluation.shadows.klom import divergences, klom
from tasks.evaluation.shadows.likelihood import (
    attack_each,
    bootstrap_auc,
    measure_auc,
    score_offline,
    score_online,
    score_u_lira,
)
from tasks.evaluation.shadows.rmia import attack_each_online
from tasks.evaluation.shadows.swap import Arm, swap_advantage, swap_over_models
from tasks.scoring.memorisation import measure_memorisation


def test_every_example_has_each_role_in_as_many_models() -> None:
    roles = assign_roles(16, 300, seed=0)
    assert roles.shape == (16, 300)
    for role, count in ((OUT, 4), (IN, 4), (UNLEARN, 8)):
        assert ((roles == role).sum(0) == count).all()
    assert (roles == assign_roles(16, 300, seed=0)).all()
    assert (roles != assign_roles(16, 300, seed=1)).any()
    shares = (roles == OUT).mean(1)
    assert shares.min() > 0.15, "no model is far from a quarter"
    assert shares.max() < 0.35
    with pytest.raises(InvalidValue, match="10 shadow models: valid are multiples of 4 in 8"):
        assign_roles(10, 300, seed=0)


def test_memorisation_is_the_loss_of_accuracy_without_the_example() -> None:
    roles = assign_roles(8, 3, seed=0)
    correct = np.ones((8, 3), bool)
    correct[:, 1] = roles[:, 1] != OUT
    correct[:, 2] = False
    assert measure_memorisation(correct, roles != OUT).tolist() == [0, 1, 0]


def shadows(models: int, shift: float, seed: int = 0, count: int = 1500) -> tuple[np.ndarray, ...]:
    """Signals (models, count): each example has a mean of N(0, 3), and `shift` more where it was seen."""
    rng = np.random.default_rng(seed)
    roles = assign_roles(models, count, seed)
    never, seen = roles == OUT, roles == UNLEARN
    phi = rng.normal(0, 3, count) + rng.normal(size=(models, count)) + shift * ~never
    return phi, seen, never


@pytest.mark.parametrize("score", [score_online, score_offline])
def test_calibrated_attacks_come_near_the_ideal_that_no_plain_one_can(score) -> None:  # type: ignore[no-untyped-def]
    """Ideal Φ(1/√2) = .760; an attack without calibration has .588."""
    phi, seen, never = shadows(64, 1.0)
    area = measure_auc(attack_each(phi, seen, never, score), seen, never)
    assert area == pytest.approx(stats.norm.cdf(1 / math.sqrt(2)), abs=0.025)
    assert measure_auc(phi, seen, never) == pytest.approx(0.588, abs=0.02)


@pytest.mark.parametrize(("models", "ideal"), [(16, 0.735), (32, 0.747)])
def test_few_offline_models_lose_as_much_as_is_known(models: int, ideal: float) -> None:
    """Four models that never saw an example reach .735, eight .747; the target is not among its shadows."""
    phi, seen, never = shadows(models, 1.0, count=3000)
    area = measure_auc(attack_each(phi, seen, never, score_offline), seen, never)
    assert area == pytest.approx(ideal, abs=0.02)


def test_forgotten_without_trace_is_a_guess_and_over_unlearning_is_below_it() -> None:
    for shift, least, most in ((0.0, 0.47, 0.53), (-1.0, 0.2, 0.3)):
        phi, seen, never = shadows(16, shift)
        offline = measure_auc(attack_each(phi, seen, never, score_offline), seen, never)
        assert least < offline < most
    phi, seen, never = shadows(16, -1.0)
    online = measure_auc(attack_each(phi, seen, never, score_online), seen, never)
    assert online > 0.65, "who has models of both sides tells it all the same"


@pytest.mark.parametrize(("models", "floor"), [(8, 0.438), (16, 0.479), (64, 0.5)])
def test_u_lira_of_equals_lies_below_a_half_where_models_are_few(models: int, floor: float) -> None:
    """Golden numbers of a simulation: what an example's other models have on a side lies opposite of its own."""
    phi, seen, never = shadows(models, 0.0, count=1000)
    area = measure_auc(attack_each(phi, seen, never, score_u_lira), seen, never)
    assert area == pytest.approx(floor, abs=0.02)


def test_u_lira_is_the_share_of_one_density_and_ranks_as_the_ratio_does() -> None:
    rng = np.random.default_rng(0)
    seen, never = rng.normal(1, 1, (9, 50)), rng.normal(0, 1, (7, 50))
    target = rng.normal(size=50)
    spreads = [np.sqrt(side.var(0, ddof=1).mean()) for side in (seen, never)]
    p, q = (
        stats.norm.pdf(target, side.mean(0), spread)
        for side, spread in zip((seen, never), spreads, strict=True)
    )
    np.testing.assert_allclose(score_u_lira(target, seen, never), p / (p + q), rtol=1e-9)
    assert (
        score_u_lira(target, seen, never).argsort() == score_online(target, seen, never).argsort()
    ).all()


def test_efficacy_reads_who_never_saw_before_unlearning() -> None:
    phi, seen, never = shadows(16, 0.0)
    before = phi - 5
    scores = attack_each(phi, seen, never, score_offline, outside=before)
    assert measure_auc(scores, seen, never) > 0.99
    assert np.isnan(scores[~(seen | never)]).all()


def test_an_interval_is_that_of_models_and_holds_the_ideal() -> None:
    phi, seen, never = shadows(16, 1.0, count=400)
    phi = phi + np.random.default_rng(3).normal(0, 2, 16)[:, None]
    low, high = bootstrap_auc(phi, seen, never, np.random.default_rng(0))
    still = phi - phi.mean(1, keepdims=True)
    narrow = bootstrap_auc(still, seen, never, np.random.default_rng(0))
    assert low < measure_auc(phi, seen, never) < high
    assert high - low > narrow[1] - narrow[0], "a model's own luck widens it"


def test_epsilon_of_what_is_told_at_once_is_the_cap() -> None:
    rng = np.random.default_rng(0)
    assert epsilon(rng.normal(0, 1, 16), rng.normal(40, 1, 16)) == 50
    assert epsilon(np.full(16, 3.0), rng.normal(3, 1, 16)) == 50, "a method without chance"
    assert epsilon(np.full(16, 3.0), np.full(16, 3.0)) == 0
    nested = np.concatenate([np.linspace(-9, -5, 8), np.linspace(5, 9, 8)])
    assert epsilon(nested, np.linspace(-1, 1, 16)) == 50, "an interval tells"


def test_epsilon_by_hand() -> None:
    """Of two and two values, one is on the wrong side: FPR 0 or FNR 0 is discarded, ½ and ½ is left."""
    assert epsilon(np.array([0.0, 2.0]), np.array([1.0, 3.0])) == pytest.approx(
        max(0.0, math.log(1 - 1e-5 - 0.5) - math.log(0.5)), abs=1e-4
    )


def test_buckets_end_at_what_n_models_can_show() -> None:
    assert (bucket(0.0, 512), bucket(0.49, 512), bucket(0.5, 512)) == (1, 1, 0.5)
    assert bucket(6.9, 512) == 2**-13
    assert bucket(7.0, 512) == bucket(50, 512) == 0


@pytest.mark.parametrize(
    ("count", "mean", "quality", "shifted"), [(16, 1.84, 0.123, 0.082), (64, 2.11, 0.080, 0.034)]
)
def test_forgetting_quality_of_equals_is_far_below_one(
    count: int, mean: float, quality: float, shifted: float
) -> None:
    """Golden numbers of a simulation: the ideal is the references' own value, not 1."""
    rng = np.random.default_rng(0)
    a, b, c, d = rng.normal(size=(4, count, 150))
    assert np.mean([epsilon(*p) for p in zip(a.T, b.T, strict=True)]) == pytest.approx(
        mean, abs=0.15
    )
    found = forgetting_quality(d, np.concatenate([a, b]))
    assert found is not None
    assert found.null == pytest.approx(quality, abs=0.02)
    assert found.value == pytest.approx(quality, abs=0.025)
    assert mean_quality(c + 1, a) == pytest.approx(shifted, abs=0.02)
    with pytest.raises(ValueError, match="too few"):
        forgetting_quality(d, a)


@pytest.mark.parametrize("count", [2, 3])
def test_forgetting_quality_of_two_models_a_side_is_undefined(count: int) -> None:
    """It was 0 whatever they were, and so was its ideal."""
    equal = np.tile(np.arange(20.0), (count, 1))
    found = forgetting_quality(equal, np.concatenate([equal, equal]))
    assert found == (None if count == 2 else (1.0, 1.0))


@pytest.mark.parametrize(
    ("count", "bins", "mean", "high"), [(100, 20, 0.34, 0.68), (64, 20, 0.62, 1.25)]
)
def test_klom_of_equals_is_its_known_bias(count: int, bins: int, mean: float, high: float) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, count, 1200))
    found = divergences(a, b, bins)
    assert found.mean() == pytest.approx(mean, rel=0.12)
    assert np.quantile(found, 0.95) == pytest.approx(high, rel=0.15)


def test_klom_counts_the_largest_value_and_ends_at_its_cap() -> None:
    a, b = np.zeros((30, 1)), np.full((30, 1), 9.0)
    assert divergences(a, b) == pytest.approx([math.log(1e5)], abs=1e-4)
    assert divergences(b, a) == pytest.approx([math.log(1e5)], abs=1e-4), "not nan"
    assert divergences(a, a).tolist() == [0]
    assert divergences(a - 500, b + 500) == pytest.approx([math.log(1e5)], abs=1e-4)


def test_klom_agrees_with_scipys_entropy() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.5, 1, 40), rng.normal(0, 1, 40)
    edges = np.histogram_bin_edges(np.concatenate([a, b]), 20)
    p, q = (np.histogram(side, edges)[0] / 40 for side in (a, b))
    q[(p > 0) & (q < 1e-5)] = 1e-5
    found = divergences(a[:, None], b[:, None])
    assert found == pytest.approx([stats.entropy(p, q)])


def test_klom_is_shown_with_its_floor() -> None:
    rng = np.random.default_rng(0)
    models = rng.normal(size=(32, 300))
    found = klom(rng.normal(size=(16, 300)) + 2, models)
    same = klom(rng.normal(size=(16, 300)), models)
    assert found.mean > 2 * found.floor_mean
    assert same.mean == pytest.approx(same.floor_mean, rel=0.2)
    assert found.floor_mean == same.floor_mean
    with pytest.raises(ValueError, match="too few"):
        klom(models, models)


def test_swap_cancels_what_reads_the_images_alone() -> None:
    rng = np.random.default_rng(0)
    f, t = rng.random((2, 200)) < np.array([[0.8], [0.3]])
    assert swap_advantage(Arm(f, t), Arm(t, f)) == 0
    yes, no = np.ones(10), np.zeros(10)
    assert swap_advantage(Arm(yes, no), Arm(yes, no)) == 1
    assert swap_advantage(Arm(no, yes), Arm(no, yes)) == 1, "over-unlearning is told too"
    half = np.arange(10) % 2
    assert swap_advantage(Arm(half, no), Arm(half, no)) == pytest.approx(0.5)


def test_swap_over_models_cancels_what_reads_the_images_alone() -> None:
    roles = assign_roles(16, 300, seed=0)
    sides = roles == UNLEARN, roles == OUT
    images = np.random.default_rng(0).random(300) < 0.7
    assert swap_over_models(np.tile(images, (16, 1)), *sides) == pytest.approx(0, abs=1e-12)
    assert swap_over_models(sides[0], *sides) == 1
    assert swap_over_models(~sides[0], *sides) == 1, "over-unlearning is told too"


def test_online_rmia_is_a_guess_without_a_trace_and_tells_its_side() -> None:
    """Examples differ far more from each other than a trace does: only what is calibrated sees it."""
    rng, roles = np.random.default_rng(0), assign_roles(16, 400, seed=0)
    seen, never = roles == UNLEARN, roles == OUT
    level = rng.normal(0, 3, 400)
    population = rng.normal(0, 3, 500) + rng.normal(size=(16, 500))

    def area(shift: float) -> float:
        phi = level + rng.normal(size=roles.shape) + shift * seen
        return measure_auc(attack_each_online(phi, seen, never, population), seen, never)

    assert area(0) == pytest.approx(0.5, abs=0.03)
    assert area(2) > 0.7
    assert area(-2) < 0.35
    scores = attack_each_online(level + 0 * roles, seen, never, population)
    assert np.isnan(scores[roles == IN]).all()
    assert np.isfinite(scores[seen | never]).all()
