"""Attacks that are metrics on request: rates, bounds and scores in closed form, beside kept implementations."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from made_outputs import asked, held, held_against, made, model_outputs, references
from scipy import stats

from tasks.evaluation import (
    metric_named,
)
from tasks.evaluation.attacks import features
from tasks.evaluation.attacks.entropy import share_taken_for_members
from tasks.evaluation.attacks.rates import (
    audit,
    clopper_pearson,
    epsilon_bound,
    true_positive_rate,
)
from tasks.evaluation.attacks.svc import svc_efficacy
from tasks.evaluation.attacks.two_sample import log_probabilities, two_sample_auc
from tasks.evaluation.logits import log_odds, softmax
from tasks.evaluation.outputs import Evaluation, Outputs
from tasks.evaluation.references import SPLITS, ReferenceOutputs
from tasks.evaluation.shadows.interpolation import interpolation_scores
from tasks.evaluation.shadows.rmia import online_mean, population_mean, rmia_scores


def grid(mean: float, count: int = 100_000) -> np.ndarray:
    """The quantiles of N(mean, 1): a sample without noise."""
    return stats.norm.ppf((np.arange(count) + 0.5) / count) + mean


@pytest.mark.parametrize(
    ("shift", "rate", "expected"),
    [(1, 0.01, 0.092362), (1, 0.001, 0.018298), (2, 0.01, 0.372081), (2, 0.001, 0.137805)],
)
def test_the_rate_at_few_false_alarms_is_the_closed_form(
    shift: int, rate: float, expected: float
) -> None:
    found = true_positive_rate(grid(shift), grid(0), rate)
    assert found is not None
    assert found.value == pytest.approx(expected, abs=4e-4)
    assert found.low < expected < found.high


def test_a_rate_that_the_sample_cannot_show_is_refused_and_ties_count_for_nobody() -> None:
    assert true_positive_rate(grid(1, 50), grid(0, 99), 0.01) is None
    assert true_positive_rate(grid(1, 50), grid(0, 100), 0.01) is not None
    tied = true_positive_rate(np.ones(10), np.ones(200), 0.01)
    assert tied is not None
    assert tied.value == 0.0


def test_clopper_pearson_is_scipys() -> None:
    for hits, count in ((0, 20), (3, 20), (20, 20), (100, 1000)):
        theirs = stats.binomtest(hits, count).proportion_ci(0.95, "exact")
        assert clopper_pearson(hits, count) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_the_bound_on_epsilon_by_hand_and_that_it_proves_nothing_of_equals() -> None:
    assert clopper_pearson(100, 1000)[0] == pytest.approx(0.082105, abs=1e-6)
    assert clopper_pearson(10, 1000)[1] == pytest.approx(0.018313, abs=1e-6)
    assert epsilon_bound(100, 1000, 10, 1000) == pytest.approx(1.50025, abs=1e-5)
    assert epsilon_bound(500, 500, 0, 500) < math.log(500 / 3.6)
    rng = np.random.default_rng(0)
    same, other = rng.normal(size=(2, 1000))
    assert audit(same, other) < 0.3
    far = audit(same + 6, other)
    assert far == pytest.approx(audit(same - 6, other), abs=0.2), "either side counts"
    assert 4 < far < math.log(500 / 3.6)


def test_features_of_a_prediction_by_hand() -> None:
    logits = np.log([[0.7, 0.2, 0.1]])
    first, last = np.array([0]), np.array([2])
    assert features.modified_entropy(logits, first) == pytest.approx(0.162167, abs=1e-6)
    assert features.modified_entropy(logits, last) == pytest.approx(2.959736, abs=1e-6)
    assert features.entropy(logits, first) == pytest.approx(0.801819, abs=1e-6)
    assert log_odds(logits, first) == pytest.approx(0.847298, abs=1e-6)
    assert features.confidence(logits, last) == pytest.approx(0.1)
    assert (features.correctness(logits, first), features.correctness(logits, last)) == (1, 0)
    assert np.isfinite(features.modified_entropy(np.array([[1e4, 0, 0]]), first)).all()


def test_svc_efficacy_by_what_is_told_apart_without_doubt() -> None:
    """Retain examples are sure, test examples are not: the forgotten ones are one or the other."""
    labels = np.arange(60) % 3
    sure, unsure = np.eye(3)[labels] * 9, np.eye(3)[labels] * 0.2
    sides = (sure, labels), (unsure, labels)
    for feature in (features.confidence, features.entropy, features.modified_entropy):
        assert svc_efficacy(*sides, (sure, labels), feature) == 0.0
        assert svc_efficacy(*sides, (unsure, labels), feature) == 1.0
    mixed = np.concatenate([sure[:15], unsure[:45]])
    assert svc_efficacy(*sides, (mixed, labels), features.probability) == 0.75
    wrong = np.roll(sure, 1, axis=1)
    told = svc_efficacy((sure, labels), (wrong, labels), (wrong, labels), features.correctness)
    assert told == 1.0


def test_the_entropy_attack_weighs_both_sides_the_same() -> None:
    """Overlapping sides of unequal size: balanced, the border lies halfway, as by resampling."""
    rng = np.random.default_rng(0)
    many, few = rng.normal(0, 1, (4000, 1)), rng.normal(2, 1, (400, 1))
    asked_for = np.linspace(-1, 3, 401)[:, None]
    found = share_taken_for_members(many, few, asked_for)
    assert found == pytest.approx(0.5, abs=0.03)
    assert found == pytest.approx(
        share_taken_for_members(many, np.repeat(few, 10, 0), asked_for), abs=0.01
    )


def test_leak_of_retained_classes() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(300, 4))
    kept = np.array([0, 2])
    values = log_probabilities(logits, kept)
    np.testing.assert_allclose(np.exp(values), softmax(logits[:, kept]), atol=1e-12)
    assert two_sample_auc(values, values) == pytest.approx(0.5, abs=1e-9)
    shifted = np.add(values, [0.0, -3.0])
    assert two_sample_auc(values, shifted) > 0.9
    assert asked(held(0.0), "retained_class_leak")["retained_class_leak"] is None


def test_a_model_that_says_the_same_of_the_retained_classes_shows_no_leak_and_a_sure_one_does() -> (
    None
):
    """Only what is said of the retained classes counts: class 0 is forgotten."""
    model = model_outputs(1)
    alike = ReferenceOutputs(**{name: np.stack([model[name].logits] * 2) for name in SPLITS})
    for added, expected in (([5.0, 0, 0, 0], 0.5), ([0, 0, 30.0, 0], 1.0)):
        changed = {
            n: Outputs(seen.logits + np.float32(added), seen.labels) for n, seen in model.items()
        }
        case = Evaluation(**changed, forgotten_classes=(0,), references=alike)
        found = asked(case, "retained_class_leak")["retained_class_leak"]
        assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", ["rmia_auc", "interpolation_score", "retained_class_leak"])
def test_a_reference_is_held_against_the_others_alone(name: str) -> None:
    """As a model with the same outputs is, beside references without it."""
    models = references(4)
    others = {split: getattr(models, split)[[0, 2, 3]] for split in SPLITS}
    original = held_against(model_outputs(2, on_forget=3.0))
    one = held_against(model_outputs(101), forgotten=(0,), reference=1)
    one = replace(one, original=lambda: original)
    assert np.array_equal(one.forget.logits, models.forget[1])
    another = replace(one, references=ReferenceOutputs(**others), reference=None)
    assert asked(one, name)[name] == pytest.approx(asked(another, name)[name], abs=1e-9)


def test_rmia_by_hand() -> None:
    """mean p_out .5 at a = .3 gives p̄ .675; p .9 is 1.33333 times that."""
    mean = population_mean(np.array([[0.4], [0.6]]), 0.3)
    assert mean == pytest.approx([0.675])
    assert 0.9 / mean == pytest.approx([1.33333], abs=1e-5)
    assert population_mean(np.zeros((3, 1)), 0.3) == pytest.approx([0.35]), "never zero"
    seen, never = np.full((2, 1), 0.9), np.full((3, 1), 0.5)
    assert online_mean(seen, never) == pytest.approx([0.7])
    assert rmia_scores(np.array([1.0, 2.5]), np.array([0.5, 1.0, 2.0, 4.0])).tolist() == [
        0.25,
        0.75,
    ]
    assert rmia_scores(np.array([2.5]), np.array([0.5, 1.0, 2.0]), gamma=2.0).tolist() == [2 / 3]


def test_rmia_counts_on_either_side_of_a_half() -> None:
    areas = [asked(held(f), "rmia_auc")["rmia_auc"] for f in (-2.0, 0.0, 2.0)]
    assert areas[0] < 0.4 < areas[1] < 0.6 < areas[2]  # type: ignore[operator]


def test_rmia_orders_as_the_loss_attack_where_references_say_the_same_of_everything() -> None:
    """The others are part of the population: as they were compared with themselves too, the area was too large."""
    labels, rng = np.zeros(24, np.int64), np.random.default_rng(0)
    forget, test = (made(rng.exponential(size=24), labels, 2) for _ in range(2))
    alike = np.zeros((3, 24, 2))
    known = ReferenceOutputs(alike, alike, alike, alike)
    case = Evaluation(forget, forget, test, test, (0,), references=known)
    assert metric_named("rmia_auc")(case) == metric_named("loss_attack_auc")(case)


def test_interpolation_goes_from_fitted_to_never_seen() -> None:
    """The signal's limits give 0 and 1, and less of it never gives less; one shadow is enough."""
    rng = np.random.default_rng(0)
    shadows, original = rng.normal(size=(1, 400)), np.full(400, 6.0)
    ends = [interpolation_scores(np.full(400, s), original, shadows) for s in (1e9, -1e9)]
    assert ends[0] == pytest.approx(np.zeros(400), abs=1e-9)
    assert ends[1] == pytest.approx(np.ones(400), abs=1e-9)
    sharp = shadows / 100
    for share in (0.25, 0.5, 0.75):
        between = sharp[0] + share * (6 - sharp[0])
        found = interpolation_scores(between, original, sharp).mean()
        assert found == pytest.approx(1 - share**2, abs=0.02), "steps weigh by their α"


def test_the_score_of_a_reference_is_near_that_of_a_model_that_never_saw() -> None:
    fitted, like = (
        asked(held(f), "interpolation_score")["interpolation_score"] for f in (3.0, 0.0)
    )
    reference = asked(held(0.0, reference=1), "interpolation_score")["interpolation_score"]
    assert fitted < 0.5 < like  # type: ignore[operator]
    assert reference == pytest.approx(like, abs=0.1)
