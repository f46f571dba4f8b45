"""Means over fresh seeds: intervals, pairs, what still holds, and how far a search flattered."""

from __future__ import annotations

import json
import statistics
from typing import Any

import numpy as np
import pytest
import scipy.stats

from orchestrator.results.confirmation.repeats import (
    Confirmation,
    Repeated,
    build_confirmation,
    estimate_mean,
)
from orchestrator.results.confirmation.table import (
    list_header,
    list_lines,
    list_notes,
    list_requested,
    spell_estimate,
)
from orchestrator.results.confirmation.undominated import estimate_undominated
from orchestrator.results.objectives import objective_named

ACCURACY = "validation_accuracy_retained"
OBJECTIVE = objective_named(f"{ACCURACY}:max,unlearn_seconds:min")


def row(trial_id: str, accuracy: float | None, seed: int = 0, **columns: Any) -> dict[str, Any]:
    """A row of sweep `s`, or of the one that confirms it with another seed."""
    role = trial_id if trial_id in ("original", "retrained") else "trial"
    return {
        "sweep": "s" if seed == 0 else f"s+seed-{seed}", "confirms": "s" if seed else None,
        "role": role, "references": 2, "trial_id": trial_id, "task_seed": seed, "state": "complete", "epoch": 1,
        "unlearner": trial_id.partition("-")[0], "params": json.dumps({"lr": 0.1, "epochs": 2}),
        ACCURACY: accuracy, "unlearn_seconds": 1.0, "relative_cost": 0.1,
        **dict.fromkeys(("test_accuracy_retained", "test_accuracy_forgotten"), accuracy),
        **dict.fromkeys(("indistinguishability", "validation_indistinguishability"), 0.5), **columns,
    }  # fmt: skip


@pytest.mark.parametrize("n", [2, 3, 10])
def test_the_interval_is_student_s(n):
    values = np.random.default_rng(n).normal(size=n).tolist()
    found = estimate_mean(values)
    low, high = scipy.stats.t.interval(
        0.95, n - 1, loc=statistics.fmean(values), scale=scipy.stats.sem(values)
    )
    assert (found.mean - found.half, found.mean + found.half) == pytest.approx((low, high))
    assert found.n == n


def test_one_value_has_no_interval_and_none_no_mean():
    assert estimate_mean([0.5, None]).half is None
    assert estimate_mean([None]) is None


def test_about_19_of_20_intervals_hold_the_truth():
    rng = np.random.default_rng(0)
    found = [estimate_mean(rng.normal(loc=3, size=5).tolist()) for _ in range(2000)]
    assert 0.93 < np.mean([abs(f.mean - 3) < f.half for f in found]) < 0.97


def test_a_difference_is_taken_seed_by_seed():
    model, other = Repeated(row("ssd-0", 0.9)), Repeated(row("original", 0.9))
    for seed, accuracy in ((1, 0.8), (2, 0.9), (3, 0.5)):
        model.add(row("ssd-0", accuracy, seed=seed))
    for seed, accuracy in ((2, 0.8), (1, 0.7)):
        other.add(row("original", accuracy, seed=seed))
    found = model.compare_with(other, ACCURACY)
    assert (found.mean, found.half, found.n) == (pytest.approx(0.1), pytest.approx(0), 2)


def found_in(*rows: dict[str, Any]) -> Confirmation:
    return build_confirmation(rows, "s", OBJECTIVE)


def test_repeats_go_to_the_point_with_their_hyper_parameters_and_epoch():
    lr = {"params": json.dumps({"lr": 0.2, "epochs": 1})}
    found = found_in(
        row("original", 0.95), row("original", 0.94, seed=1),
        row("ssd-0", 0.9), row("ssd-9", 0.8, seed=1), row("ssd-9", 0.1, seed=1, epoch=2),
        row("ssd-1", 0.8, unlearn_seconds=0.5, **lr), row("ssd-8", 0.7, seed=1, **lr),
        row("ssd-7", 0.2, seed=3, confirms="other"),
    )  # fmt: skip
    assert values_of(found) == {"ssd-0": {1: 0.8}, "ssd-1": {1: 0.7}}
    assert found.baselines["original"].over_seeds(ACCURACY).mean == 0.94
    assert found.measure_flattery(ACCURACY) == pytest.approx(0.1)


def values_of(found: Confirmation) -> dict[str, dict[int, float]]:
    """What was measured of each point, by seed."""
    return {
        p.searched["trial_id"]: {seed: r[ACCURACY] for seed, r in p.repeats.items()}
        for p in found.points
    }


def test_a_seed_counts_once_however_many_sweeps_ran_it():
    twice = [
        row("ssd-0", a, seed=1, sweep=sweep) for sweep, a in (("mine", 0.7), ("s+seed-1", 0.8))
    ]
    assert values_of(found_in(row("ssd-0", 0.9), *twice)) == {"ssd-0": {1: 0.7}}


def test_a_row_from_before_a_hyper_parameter_existed_finds_its_repeats():
    now = {"params": json.dumps({"lr": 0.1, "epochs": 2, "retain_share": 1.0})}
    assert values_of(found_in(row("ssd-0", 0.9), row("ssd-3", 0.8, seed=1, **now))) == {
        "ssd-0": {1: 0.8}
    }


def hyper(**params: Any) -> dict[str, str]:
    return {"params": json.dumps({"lr": 0.1, "epochs": 2, **params})}


def test_points_that_differ_in_an_option_alone_have_each_their_own_repeats():
    """An option is stored only where it is on: all that the plain point has, the masked one has too."""
    masked = hyper(mask="saliency")
    plain_point, masked_point = row("finetune-0", 0.95), row("finetune-1", 0.8, unlearn_seconds=0.5)
    repeats = [
        row(*made, seed=seed, **more)
        for seed in (1, 2)
        for made, more in ((("finetune-8", 0.8), masked), (("finetune-9", 0.95), {}))
    ]
    found = found_in(plain_point, masked_point | masked, *repeats)
    assert values_of(found) == {
        "finetune-0": {1: 0.95, 2: 0.95},
        "finetune-1": {1: 0.8, 2: 0.8},
    }
    assert values_of(found_in(plain_point, *repeats)) == {"finetune-0": {1: 0.95, 2: 0.95}}
    assert (
        found_in(plain_point, *(r for r in repeats if r["params"] == masked["params"])).points == []
    )


def test_points_from_before_a_hyper_parameter_have_each_their_own_repeats():
    """Its default may have changed since; what else they are tells them apart."""
    masked = {"mask": "saliency"}
    points = row("finetune-0", 0.95), row("finetune-1", 0.8, unlearn_seconds=0.5, **hyper(**masked))
    for share in (1.0, 0.5):
        now = {"retain_share": share}
        repeats = (
            row("finetune-7", 0.8, seed=1, **hyper(**now, **masked)),
            row("finetune-8", 0.9, seed=1, **hyper(**now)),
        )
        assert values_of(found_in(*points, *repeats)) == {
            "finetune-0": {1: 0.9},
            "finetune-1": {1: 0.8},
        }


def test_the_best_over_fresh_seeds_has_the_highest_mean_score_of_the_validation_half():
    rows = [row("ssd-0", 0.9), row("finetune-1", 0.8), row("scrub-2", 0.7)]
    for seed, (lucky, steady) in ((1, (0.9, 0.8)), (2, (0.5, 0.8))):
        rows += [
            row("ssd-0", lucky, seed, test_accuracy_retained=1.0),
            row("finetune-1", steady, seed),
            row("scrub-2", None if seed == 2 else 1.0, seed),
        ]
    found = build_confirmation(rows, "s", objective_named(f"{ACCURACY}:max"), "methods")
    best = found.find_best()
    assert best is not None
    assert best.searched["trial_id"] == "finetune-1"
    (said,) = (text for text in list_notes(found) if "Best over" in text)
    assert "finetune-1 at epoch 1; on the test half accuracy 0.800" in said
    assert build_confirmation(rows[:3], "s", OBJECTIVE, "methods").find_best() is None


def test_the_best_over_fresh_seeds_meets_the_limits_by_its_means():
    """The searched row met the limit by luck; over the seeds the more accurate point does not hide less."""
    rows = [row("ssd-0", 0.9), row("finetune-1", 0.8)]
    for seed in (1, 2):
        hidden = {"validation_indistinguishability": 0.9}
        rows += [row("ssd-0", 0.7, seed, **hidden), row("finetune-1", 0.8, seed)]
    for least, best in (("0", "ssd-0"), (".75", "finetune-1"), (".9", None)):
        aim = objective_named(f"{ACCURACY}:max,{ACCURACY}>={least}")
        found = build_confirmation(rows, "s", aim, "methods")
        point = found.find_best()
        assert (point and point.searched["trial_id"]) == best, least
        none = any("of no point meet what is required" in note for note in list_notes(found))
        assert none == (best is None)


@pytest.mark.parametrize(
    ("file", "own"),
    [
        (None, "Each seed has its own models,"),
        ("mine.pt", "the original was given and is the same"),
    ],
)
def test_the_notes_say_whether_each_seed_has_an_original_of_its_own(file, own):
    models = [row("original", 0.95, seed, original_file=file) for seed in (0, 1)]
    notes = list_notes(found_in(*models, row("ssd-0", 0.9), row("ssd-0", 0.8, seed=1)))
    assert sum(own in note for note in notes) == 1
    assert any("Each seed has its own models" in note for note in notes) == (file is None)


def test_a_repeat_that_failed_is_counted_and_its_point_is_not_judged():
    """The mean of the seeds that it survived would flatter."""
    failed = row("ssd-0", None, seed=2, state="failed")
    found = found_in(row("ssd-0", 0.9), row("ssd-0", 0.8, seed=1), failed)
    (point,) = found.points
    assert (point.tried, set(point.repeats), found.judge_points()) == ({1, 2}, {1}, [None])
    ((_, cells),) = list_lines(found)
    assert cells[1:3] == ["1 of 2", "-"]
    assert any("1 point not reached" in note for note in list_notes(found))


def test_a_point_that_was_not_run_again_is_left_out_and_said():
    other = {"params": json.dumps({"lr": 0.3}), "unlearn_seconds": 0.1}
    found = found_in(row("ssd-0", 0.9), row("ssd-1", 0.8, **other), row("ssd-0", 0.8, seed=1))
    assert (len(found.points), found.left_out) == (1, 1)
    assert any("1 chosen point did not run again" in note for note in list_notes(found))


FAST, SLOW = {"unlearn_seconds": 0.5}, {"params": json.dumps({"lr": 0.2})}


def test_points_are_held_against_each_other_on_the_seeds_that_both_have():
    """Another seed's models are better, and only one of the points was run with them so far."""
    found = found_in(
        row("ssd-0", 0.8, **FAST), row("ssd-1", 0.9, **SLOW),
        *(row("ssd-0", 0.8, seed=s, **FAST) for s in (1, 2)),
        *(row("ssd-1", 0.9, seed=s, **SLOW) for s in (1, 2)),
        row("ssd-0", 1.0, seed=3, **FAST),
    )  # fmt: skip
    assert found.judge_points() == [1.0, 1.0]


def test_a_point_whose_means_another_dominates_is_less_likely_undominated():
    found = found_in(
        row("ssd-0", 0.8, **FAST), row("ssd-1", 0.9, **SLOW),
        *(row("ssd-0", 0.8, seed=s, **FAST) for s in (1, 2, 3)),
        *(row("ssd-1", a, seed=s, **SLOW) for s, a in ((1, 0.82), (2, 0.5), (3, 0.6))),
    )  # fmt: skip
    names = [point.searched["trial_id"] for point in found.points]
    chances = dict(zip(names, found.judge_points(), strict=True))
    assert chances["ssd-0"] == 1.0, "nothing is as fast"
    differences = [0.02, -0.3, -0.2]
    expected = scipy.stats.t.cdf(statistics.fmean(differences) / scipy.stats.sem(differences), 2)
    assert chances["ssd-1"] == pytest.approx(expected, abs=0.03)


def test_what_the_original_dominates_is_hardly_undominated():
    """The original costs nothing."""
    idle = {"unlearn_seconds": 0.0}
    found = found_in(
        row("original", 0.95, **idle), row("ssd-0", 0.9),
        *(row("original", a, seed=s, **idle) for s, a in ((1, 0.95), (2, 0.96), (3, 0.94))),
        *(row("ssd-0", a, seed=s) for s, a in ((1, 0.90), (2, 0.905), (3, 0.90))),
    )  # fmt: skip
    (chance,) = found.judge_points()
    assert chance < 0.02


def test_the_probability_for_two_points_is_that_of_the_paired_t_test():
    rng = np.random.default_rng(1)
    for seeds in (2, 3, 5, 10):
        a, b = rng.normal(0, 1, (2, seeds))
        expected = scipy.stats.ttest_rel(a, b, alternative="less").pvalue  # small if `a` is lower
        found = estimate_undominated(np.array([a, b])[..., None], np.empty((0, seeds, 1)))
        assert found == pytest.approx([expected, 1 - expected], abs=0.03)


def test_the_probability_says_how_often_the_mean_is_truly_higher():
    """Of the points that it gives 80 to 100 %, about nine in ten have the higher true mean."""
    rng = np.random.default_rng(2)
    right = []
    for _ in range(400):
        truth = rng.normal(0, 1, 2)
        seen = truth[:, None] + rng.normal(0, 1, (2, 5))
        chance = estimate_undominated(seen[:1, :, None], seen[1:, :, None])[0]
        if chance > 0.8:
            right.append(truth[0] > truth[1])
    assert 0.85 < np.mean(right) <= 1.0


def test_references_are_one_model_with_their_mean():
    other = {**row("retrained", 0.8, seed=1), "trial_id": "reference-1"}
    seeds = [row("retrained", 0.9, seed=1), other]
    found = found_in(row("ssd-0", 0.9), row("retrained", 0.7), *seeds)
    assert found.baselines["retrained"].over_seeds(ACCURACY).mean == pytest.approx(0.85)


def test_an_interval_stays_within_what_can_be():
    found = estimate_mean([0.9, 1.0, 0.95])
    assert found.mean + found.half > 1
    assert spell_estimate(found) == "0.950 [0.826, 1.000]"
    assert spell_estimate(estimate_mean([0.5, 0.51, 0.5])) == "0.503 ± 0.014"
    assert spell_estimate(estimate_mean([-0.01, 0.01, 0.0]), least=-1.0) == "0.000 ± 0.025"


def test_of_fewer_than_three_seeds_no_interval_is_given():
    assert spell_estimate(estimate_mean([0.9, 0.91])) == "0.905"
    searched = row("ssd-0", 0.9)
    found = found_in(searched, *(row("ssd-0", 0.8, seed=seed) for seed in (1, 2)))
    assert "Below 3 seeds no interval is given." in list_notes(found)
    assert estimate_mean([0.9, 0.91]).clip(0, 1) == (pytest.approx(0.905),) * 2


def test_where_no_class_is_forgotten_the_accuracy_on_the_forget_set_is_shown():
    both = {"test_accuracy_forgotten": 0.5, "forget_accuracy": 0.25}
    random = {**both, "test_accuracy_forgotten": None}
    for more, heading, value in ((both, "test acc.", "0.500"), (random, "accuracy,", "0.250")):
        found = found_in(row("ssd-0", 0.9), *(row("ssd-0", 0.8, seed=s, **more) for s in (1, 2)))
        place = next(
            n
            for n, text in enumerate(list_header(found))
            if text.startswith(heading) and "forg" in text
        )
        ((_, cells),) = list_lines(found)
        assert cells[place] == value


def test_metrics_on_request_have_a_table_of_their_own():
    searched = row("finetune-1", 0.9)
    again = [row("finetune-1", 0.9, seed, pgd_gap=value) for seed, value in ((1, -0.1), (2, -0.3))]
    found = build_confirmation([searched, *again], "s", OBJECTIVE)
    header, lines = list_requested(found)
    assert header == ["metric", "ideal", "finetune-1"]
    assert [line[:2] for line in lines] == [["pgd_gap", "0"]]
    assert lines[0][2] == "-0.200"


def test_a_metric_on_request_stays_within_what_it_can_be():
    again = [row("ssd-1", 0.9, s, rmia_auc=v) for s, v in ((1, 0.98), (2, 1.0), (3, 0.97))]
    _, lines = list_requested(build_confirmation([row("ssd-1", 0.9), *again], "s", OBJECTIVE))
    assert lines[0][2] == "0.983 [0.945, 1.000]"


def test_a_second_confirmation_adds_what_the_first_was_not_asked_for():
    """The same seeds ran twice, in sweeps of other names: a value that one lacks is the other's."""
    first = [row("finetune-1", 0.9, s) for s in (1, 2)]
    second = [row("finetune-1", 0.9, s, sweep=f"s+metrics-0-seed-{s}", ain=2.0) for s in (1, 2)]
    found = build_confirmation([row("finetune-1", 0.9), *first, *second], "s", OBJECTIVE)
    (point,) = found.points
    assert point.over_seeds("ain").mean == 2.0
    assert point.over_seeds(ACCURACY).n == 2
