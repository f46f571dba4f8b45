"""The attackers and what is read off the references: known answers on models that never were."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from made_outputs import held_against, model_outputs, references

from tasks.evaluation import measure
from tasks.evaluation.attacks.advantages import Advantages
from tasks.evaluation.attacks.identity import identity
from tasks.evaluation.attacks.indistinguishability import ATTACKERS, weakest
from tasks.evaluation.attacks.membership import calibrated_areas, membership
from tasks.evaluation.distances import divergence
from tasks.evaluation.outputs import Evaluation, Outputs
from tasks.evaluation.references import ReferenceOutputs, mean_of_others
from tasks.evaluation.samples import sample_of

HALVES = ("validation", "test")


def certain(share: float, count: int = 24, classes: int = 3) -> np.ndarray:
    """Logits (N, classes) that give class 0 this probability, and class 1 the rest."""
    logits = np.full((count, classes), -1e4)
    logits[:, 0], logits[:, 1] = np.log([share, 1 - share])
    return logits


def of_one_class(model: float, *others: float) -> Evaluation:
    """Models that say the same of every example: it is of class 0, with such a probability."""
    split = Outputs(certain(model), np.zeros(24, np.int64))
    stacked = np.stack([certain(share) for share in others])
    return Evaluation(
        split, split, split, split, (0,), ReferenceOutputs(stacked, stacked, stacked, stacked)
    )


def test_total_variation_by_hand() -> None:
    """(.9, .1) overlaps (.5, .5) by .6, and (.3, .7) by .4; of the two references the overlap is .8."""
    found = identity(of_one_class(0.9, 0.5, 0.3), "test")
    assert found is not None
    assert found.model == pytest.approx((0.4 + 0.6) / 2)
    assert found.references == pytest.approx(0.2)
    assert found.indistinguishability == pytest.approx(0.5 / 0.8)


def test_three_references_are_compared_two_at_a_time() -> None:
    """Means of the others: .3, .2 and .7 of (.6, .8, 0) and the like."""
    found = identity(of_one_class(0.5, 0.6, 0.4, 0.2), "validation")
    assert found is not None
    assert found.model == pytest.approx((0.2 + 0.1 + 0.0) / 3)
    assert found.references == pytest.approx((0.3 + 0.0 + 0.3) / 3)
    values = np.array([0.6, 0.4, 0.2])
    assert mean_of_others(values) == pytest.approx([0.3, 0.4, 0.5])


def test_nothing_is_better_than_a_reference() -> None:
    assert Advantages(0.1, 0.3).indistinguishability == 1
    assert Advantages(0.3, 0.3).indistinguishability == 1
    assert Advantages(1.0, 0.3).indistinguishability == 0
    assert Advantages(1.0, 1.0).indistinguishability == 1, "an attacker that tells references apart"


@pytest.mark.parametrize("half", HALVES)
def test_a_model_that_never_saw_the_data_scores_as_a_reference(half) -> None:  # type: ignore[no-untyped-def]
    scores = [weakest(held_against(model_outputs(seed)), half) for seed in range(8)]
    assert np.mean(scores) > 0.93
    assert max(scores) <= 1


@pytest.mark.parametrize("surer", [1.5, -1.5])
@pytest.mark.parametrize("half", HALVES)
def test_to_remember_costs_and_to_forget_too_much_as_well(half, surer: float) -> None:  # type: ignore[no-untyped-def]
    case = held_against(model_outputs(1, on_forget=surer))
    found = membership(case, half)
    assert found is not None
    assert found.model > 0.8
    assert weakest(case, half) < 0.25


def test_calibration_sees_what_the_raw_loss_hides() -> None:
    """The ease of an example varies more than what remembering adds to it."""
    case = held_against(model_outputs(1, on_forget=0.5))
    areas = calibrated_areas(case, "test")
    assert areas is not None
    assert areas[0].mean() > measure(case)["loss_attack_auc"] + 0.1
    assert areas[1] == pytest.approx(0.5, abs=0.08)


def test_the_auc_of_the_calibrated_attack_is_a_count_of_pairs() -> None:
    case = held_against(model_outputs(1, on_forget=0.7), 2)
    sample, first = sample_of(case, "test"), references(2)
    values = []
    for other in (1, 0):
        theirs = {n: Outputs(getattr(first, n)[other], getattr(case, n).labels) for n in HALVES}
        of_forget = Outputs(first.forget[other], case.forget.labels)
        members = (case.forget.phi - of_forget.phi)[sample.members]
        others = (case.test.phi - theirs["test"].phi)[sample.others]
        values.append((members[:, None] > others).mean())
    areas = calibrated_areas(case, "test")
    assert areas is not None
    assert areas[0] == pytest.approx(values, abs=1e-12)


def test_the_halves_look_at_other_examples() -> None:
    """One half's forgotten examples are remembered, the other half's are not."""
    model = model_outputs(1)
    part = sample_of(held_against(model), "test").forgotten
    logits = model["forget"].logits.copy()
    logits[part, model["forget"].labels[part]] += 3
    case = held_against({**model, "forget": Outputs(logits, model["forget"].labels)})
    assert weakest(case, "test") < 0.2
    assert weakest(case, "validation") > 0.85


def test_a_reference_is_held_against_the_others_alone() -> None:
    """Against means that it is part of, it would look nearer than it is."""
    for number in range(3):
        model = {
            name: Outputs(getattr(references(3), name)[number], outputs.labels)
            for name, outputs in model_outputs(0).items()
        }
        known = held_against(model, 3, reference=number)
        taken_for_another = dataclasses.replace(known, reference=None)
        for attack in ATTACKERS:
            found, flattered = attack(known, "test"), attack(taken_for_another, "test")
            assert found is not None
            assert flattered is not None
            assert found.references == flattered.references
        found, flattered = (identity(case, "test") for case in (known, taken_for_another))
        assert found.model > flattered.model  # type: ignore[union-attr]
    # Its own three values are what the references' advantage is the mean of.
    assert measure(known)["oracle_auc"] is None


def test_a_forgotten_class_must_be_forgotten_on_held_out_images_too() -> None:
    """A model that is like the references on the training images alone."""
    case = held_against(model_outputs(1), forgotten=(0,))
    logits = case.test.logits.copy()
    logits[case.test.labels == 0] = [-9, 0, 0, 0]
    turned = dataclasses.replace(case, test=Outputs(logits, case.test.labels))
    for half, changes in (("test", True), ("validation", False)):
        before, after = identity(case, half), identity(turned, half)
        assert before is not None
        assert after is not None
        assert (after.model > before.model + 0.05) is changes


@pytest.mark.parametrize("count", [0, 1])
def test_with_fewer_than_two_references_there_is_no_answer(count: int) -> None:
    some = references(1) if count else None
    case = dataclasses.replace(held_against(model_outputs(1)), references=some)
    found = measure(case)
    assert found["indistinguishability"] is None
    assert found["forget_divergence"] is None
    assert found["tow"] is None
    assert found["under_unlearned"] is None
    assert found["loss_attack_auc"] is not None


def test_the_divergence_has_the_floor_of_a_reference_left_out() -> None:
    like, unlike = (measure(held_against(model_outputs(1, on_forget=f))) for f in (0.0, 3.0))
    assert like["forget_divergence"] == pytest.approx(like["forget_divergence_floor"], rel=0.1)
    assert unlike["forget_divergence_floor"] == like["forget_divergence_floor"]
    assert unlike["forget_divergence"] > 2 * unlike["forget_divergence_floor"]
    assert divergence(of_one_class(1e-12, 1 - 1e-12, 1 - 1e-12), "test") == pytest.approx(1)
    assert divergence(of_one_class(0.5, 0.5, 0.5), "test") == pytest.approx(0, abs=1e-12)


def test_flags_say_on_which_side_a_model_misses() -> None:
    sides = {}
    for surer in (-1.5, 0.0, 1.5):
        found = measure(held_against(model_outputs(1, on_forget=surer)))
        sides[surer] = found["over_unlearned"], found["under_unlearned"]
    assert sides == {-1.5: (1.0, 0.0), 0.0: (0.0, 0.0), 1.5: (0.0, 1.0)}


def test_the_oracles_auc_lies_beyond_one_half_on_the_side_that_the_model_misses() -> None:
    found = [measure(held_against(model_outputs(1, on_forget=f)))["oracle_auc"] for f in (-1, 0, 1)]
    assert found[0] < 0.3
    assert found[1] == pytest.approx(0.5, abs=0.06)
    assert found[2] > 0.7


def test_tug_of_war_by_hand() -> None:
    """Accuracies differ by .05 on the forget set, .01 on the retain sample and .02 on test examples."""

    def right(share: float, count: int = 100) -> np.ndarray:
        logits = np.zeros((count, 2), np.float32)
        logits[np.arange(count), (np.arange(count) >= round(share * count)).astype(int)] = 1
        return logits

    labels = np.zeros(100, np.int64)
    shares = {"retain": 0.9, "forget": 0.5, "validation": 0.5, "test": 0.8}
    off = {"retain": 0.01, "forget": 0.05, "validation": 0.0, "test": -0.02}
    model = {n: Outputs(right(shares[n] + off[n]), labels) for n in shares}
    theirs = ReferenceOutputs(**{n: np.stack(2 * [right(share)]) for n, share in shares.items()})
    case = Evaluation(**model, forgotten_classes=(), references=theirs)
    assert measure(case)["tow"] == pytest.approx(0.92169, abs=1e-6)
