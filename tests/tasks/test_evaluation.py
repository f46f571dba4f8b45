"""Metrics: by their definitions, against independent computations; one forward pass a split."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedShuffleSplit, cross_val_score
from torch.nn import functional as F

from tasks.evaluation import METRICS, measure
from tasks.evaluation.membership_inference import (
    _folds,
    attack_accuracy,
    class_matched_attack,
    logistic_regression,
    simple_attack,
    two_sided,
)
from tasks.evaluation.outputs import Diverged, Evaluation, Outputs, outputs
from tasks.workbench import ORIGINAL, Workbench


def made(losses: np.ndarray, labels: np.ndarray | None = None, classes: int = 4) -> Outputs:
    """Outputs whose cross-entropies are `losses`: two classes share the probability."""
    labels = np.zeros(len(losses), np.int64) if labels is None else labels
    p = np.exp(-np.asarray(losses, np.float64))
    logits = np.full((len(losses), classes), -1e4)
    rows = np.arange(len(losses))
    logits[rows, labels] = np.log(p)
    logits[rows, (labels + 1) % classes] = np.log1p(-p)
    return Outputs(logits, labels)


def drawn(count: int, scale: float, seed: int) -> np.ndarray:
    """Random losses."""
    return np.random.default_rng(seed).exponential(scale, count) + 1e-3


def evaluation(forgotten: tuple[int, ...] = (), **parts: Outputs) -> Evaluation:
    """An evaluation in which every split is the same, unless said otherwise."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.arange(200) % 4)
    split = Outputs(rng.normal(size=(200, 4)).astype(np.float32), labels)
    whole = {name: split for name in ("retain", "forget", "validation", "test")}
    return Evaluation(**{**whole, **parts}, forgotten_classes=forgotten)


def test_losses_are_torchs_cross_entropies_also_for_extreme_logits() -> None:
    rng = np.random.default_rng(1)
    logits = (rng.normal(size=(50, 7)) * np.logspace(-3, 4, 50)[:, None]).astype(np.float32)
    labels = rng.integers(0, 7, 50)
    expected = F.cross_entropy(
        torch.from_numpy(logits).double(), torch.from_numpy(labels), reduction="none"
    )
    np.testing.assert_allclose(
        Outputs(logits, labels).losses, expected.numpy(), rtol=1e-9, atol=1e-12
    )


def test_identical_distributions_cannot_be_told_apart() -> None:
    scores = [attack_accuracy(drawn(400, 1.0, 2 * s), drawn(400, 1.0, 2 * s + 1)) for s in range(5)]
    assert np.mean(scores) == pytest.approx(0.5, abs=0.03)


def test_losses_far_apart_are_told_apart_on_either_side() -> None:
    low, high = drawn(300, 0.01, 0), 5 + drawn(300, 0.5, 1)
    assert attack_accuracy(low, high) > 0.99
    assert attack_accuracy(high, low) > 0.99


@settings(max_examples=20, deadline=None)
@given(
    count=st.integers(20, 120),
    scale=st.floats(0.2, 5.0),
    seed=st.integers(0, 1000),
)
def test_the_attack_is_the_starting_kits_cross_validation(
    count: int, scale: float, seed: int
) -> None:
    """The definition in metrics.md, spelt with scikit-learn's own cross_val_score."""
    members, others = drawn(count, 1.0, seed), drawn(count, scale, seed + 1)
    scores = cross_val_score(
        LogisticRegression(),
        np.r_[others, members].reshape(-1, 1),
        np.r_[np.zeros(count), np.ones(count)],
        cv=StratifiedShuffleSplit(n_splits=10, random_state=0),
        scoring="accuracy",
    )
    assert attack_accuracy(members, others) == pytest.approx(scores.mean(), abs=1e-12)


@pytest.mark.parametrize("scale", [1e-6, 1e-2, 1.0, 50.0])
def test_the_attacks_regression_is_scikit_learns(scale: float) -> None:
    """Also where no feature tells anything, and where one tells all."""
    for seed, factor in enumerate((1.0, 1.3, 40.0)):
        x = np.r_[drawn(150, scale, seed), factor * drawn(150, scale, seed + 9)]
        y = np.repeat([0, 1], 150)
        theirs = LogisticRegression().fit(x[:, None], y)
        wanted = pytest.approx((theirs.coef_[0, 0], theirs.intercept_[0]), rel=1e-8, abs=1e-10)
        assert logistic_regression(x, y) == wanted


@given(st.integers(6, 400))
@settings(deadline=None)
def test_the_attacks_splits_are_scikit_learns(count: int) -> None:
    y = np.repeat([0, 1], count)
    theirs = StratifiedShuffleSplit(n_splits=10, random_state=0).split(y[:, None], y)
    for (fit, score), (their_fit, their_score) in zip(_folds(count, count), theirs, strict=True):
        np.testing.assert_array_equal(fit, their_fit)
        np.testing.assert_array_equal(score, their_score)


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
    assert class_matched_attack(members, others) == pytest.approx(0.5, abs=0.08)


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
            "tasks.evaluation.membership_inference.attack_accuracy",
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
            "tasks.evaluation.membership_inference.attack_accuracy",
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


def test_indistinguishability_is_two_sided_on_each_half() -> None:
    hidden = made(drawn(200, 1.0, 5), np.arange(200) % 4)
    exposed = made(8 + drawn(200, 0.1, 6), np.arange(200) % 4)
    found = measure(evaluation(forget=hidden, test=exposed, validation=hidden))
    assert found["indistinguishability"] == two_sided(found["mia_class_matched_accuracy"]) < 0.05
    steering = found["validation_mia_class_matched_accuracy"]
    assert found["validation_indistinguishability"] == two_sided(steering) > 0.8


def test_a_model_that_is_always_right_scores_one_everywhere() -> None:
    labels = np.arange(120) % 4
    right = Outputs(np.eye(4, dtype=np.float32)[labels] * 9, labels)
    parts = {name: right for name in ("retain", "forget", "validation", "test")}
    found = measure(evaluation(forgotten=(2,), **parts))
    accuracies = {n: v for n, v in found.items() if n.endswith("accuracy") or "accuracy_" in n}
    mia = {n for n in accuracies if "mia" in n}
    assert {accuracies[n] for n in accuracies if n not in mia} == {1.0}
    assert len(accuracies) - len(mia) == 7


def test_accuracy_is_split_into_retained_and_forgotten_classes() -> None:
    """Right on every class but 1, which the model always takes for 0."""
    labels = np.arange(200) % 4
    logits = np.eye(4, dtype=np.float32)[np.where(labels == 1, 0, labels)]
    found = measure(evaluation((1,), test=Outputs(logits, labels)))
    assert found["test_accuracy"] == 0.75
    assert found["test_accuracy_retained"] == 1.0
    assert found["test_accuracy_forgotten"] == 0.0


def test_accuracies_agree_with_a_count_by_hand() -> None:
    case = evaluation((0, 3))
    test = case.test
    hits = [
        int(np.argmax(row)) == label for row, label in zip(test.logits, test.labels, strict=True)
    ]
    inside = [h for h, label in zip(hits, test.labels, strict=True) if label in (0, 3)]
    outside = [h for h, label in zip(hits, test.labels, strict=True) if label not in (0, 3)]
    found = measure(case)
    assert found["test_accuracy"] == pytest.approx(sum(hits) / len(hits))
    assert found["test_accuracy_forgotten"] == pytest.approx(sum(inside) / len(inside))
    assert found["test_accuracy_retained"] == pytest.approx(sum(outside) / len(outside))


def test_no_forgotten_class_has_no_accuracy() -> None:
    found = measure(evaluation())
    assert found["test_accuracy_forgotten"] is None
    assert found["test_accuracy_retained"] == found["test_accuracy"]


def test_every_metric_is_measured_under_its_column_and_in_zero_to_one(
    random_bench: Workbench,
) -> None:
    model, _ = random_bench.model(random_bench.artifact(ORIGINAL))
    found = random_bench.evaluate(model)
    assert list(found) == list(METRICS)
    assert all(v is None or 0 <= v <= 1 for v in found.values())
    assert found["test_accuracy_forgotten"] is None
    assert all(found[name] is not None for name in found if name != "test_accuracy_forgotten")


def test_measuring_twice_gives_the_same(bench: Workbench) -> None:
    model, _ = bench.model(bench.artifact(ORIGINAL))
    assert bench.evaluate(model) == bench.evaluate(model)


def test_a_split_takes_one_forward_pass_without_gradients(bench: Workbench) -> None:
    model, _ = bench.model(bench.artifact(ORIGINAL))
    seen: list[torch.Tensor] = []
    with_gradients: list[bool] = []

    def note(module: torch.nn.Module, inputs: tuple[torch.Tensor]) -> None:
        seen.append(inputs[0].clone())
        with_gradients.append(torch.is_grad_enabled())

    model.register_forward_pre_hook(note)
    bench.evaluate(model)
    held_out = len(bench.dataset.held_out)
    assert sum(len(x) for x in seen) == len(bench.retain) + len(bench.forget) + held_out
    every = torch.cat(seen).flatten(1)
    assert len(torch.unique(every, dim=0)) >= 0.99 * len(every), "a split was passed twice"
    assert not any(with_gradients)


def test_evaluating_restores_the_mode_and_changes_nothing(bench: Workbench) -> None:
    model, _ = bench.model(bench.artifact(ORIGINAL))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for training in (True, False):
        model.train(training)
        bench.evaluate(model)
        assert model.training is training
    assert all(torch.equal(before[n], t) for n, t in model.state_dict().items())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_outputs_that_are_not_finite_are_diverged(bench: Workbench, value: float) -> None:
    model, _ = bench.model(bench.artifact(ORIGINAL))
    with torch.no_grad():
        model.head.bias[3] = value
    with pytest.raises(Diverged, match="not finite"):
        outputs(model, bench.forget)
    with pytest.raises(Diverged):
        bench.evaluate(model)


def test_the_held_out_halves_steer_and_report_apart(bench: Workbench) -> None:
    """Columns of the search read the validation half alone, the others never do."""
    model, _ = bench.model(bench.artifact(ORIGINAL))
    case = Evaluation(
        retain=outputs(model, bench.retain),
        forget=outputs(model, bench.forget),
        validation=outputs(model, bench._validation),
        test=outputs(model, bench._test),
        forgotten_classes=(1,),
    )
    scrambled = Outputs(np.roll(case.validation.logits, 1, axis=1), case.validation.labels)
    before, after = measure(case), measure(dataclasses.replace(case, validation=scrambled))
    changed = {name for name in before if before[name] != after[name]}
    assert changed
    assert all(name.startswith("validation_") for name in changed)
    assert {"validation_accuracy", "validation_accuracy_retained"} <= changed
