"""Which method gets the next trial: the adaptive allocation's arithmetic, its floor, and that it can be repeated."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from store_rows import NOON

from orchestrator.config import SweepConfig
from orchestrator.results.objectives import objective_named
from orchestrator.search.adaptive import (
    FLOOR,
    PRIOR,
    SAMPLES,
    SHARE,
    Adaptive,
    expect_gain,
    keep_free,
    spread_evenly,
)
from orchestrator.search.allocation import Allocation
from orchestrator.sweeps.budget import trials_left
from orchestrator.sweeps.stored.allocated import make_allocation
from tasks.errors import InvalidValue

AIM = objective_named("validation_accuracy_retained:max,relative_cost:min")
Row = dict[str, Any]


def trial(
    unlearner: str, accuracy: float, cost: float, seconds: float = 1.0, state: str = "complete"
) -> list[Row]:
    return [
        {
            "unlearner": unlearner,
            "state": state,
            "validation_accuracy_retained": accuracy,
            "relative_cost": cost,
            "unlearn_seconds": seconds,
        }
    ]


def test_samples_fill_the_box_evenly():
    for values in (1, 2, 3, 5):
        samples = spread_evenly(values)
        assert samples.shape == (SAMPLES, values)
        box = np.full(values, 0.5)
        assert (samples < box).all(1).mean() == pytest.approx(0.5**values, abs=0.01)


def test_what_a_front_leaves_free_is_the_volume_that_it_does_not_dominate():
    samples = spread_evenly(2)
    free = keep_free(samples, np.array([[0.5, 0.5], [0.25, 1.0]]))
    assert len(free) / SAMPLES == pytest.approx(1 - 0.375, abs=0.006)
    assert len(keep_free(samples, np.array([[1.0, 1.0]]))) == 0


def test_the_expected_gain_of_trials_that_do_not_vary_is_the_volume_that_they_add():
    rng = np.random.default_rng(0)
    free = keep_free(spread_evenly(2), np.array([[0.5, 0.5]]))
    same = [np.array([[1.0, 0.25]])] * 4
    assert expect_gain(same, free, rng) == pytest.approx(0.125, abs=0.006)
    assert expect_gain([np.array([[0.5, 0.5]])], free, rng) == 0
    trajectory = [np.array([[1.0, 0.25], [0.25, 1.0]])]
    still = [np.repeat(t, 1, 0) for t in trajectory]
    spread = expect_gain(still, free, rng)
    assert spread > 0
    half = [np.array([[1.0, 0.25]]), np.empty((0, 2))]
    assert expect_gain(half, free, rng) == pytest.approx(0.125 / 2, abs=0.006)
    assert expect_gain([], free, rng) == expect_gain(same, free[:0], rng) == 0


def feed(allocation: Allocation, results: dict[str, list[Row]], count: int) -> list[str]:
    """Run trials that always measure the same; returns the methods in the order of their turns."""
    turns = []
    left = dict.fromkeys(results, 1000)
    for _ in range(count):
        name = allocation.choose(left)
        assert name is not None
        left[name] -= 1
        allocation.note(name, results[name])
        turns.append(name)
    return turns


def test_every_method_has_its_floor_and_its_share_before_rates_decide():
    results = {
        "bad": trial("bad", 0.1, 0.9),
        "good": trial("good", 0.9, 0.2),
        "fine": trial("fine", 0.5, 0.1),
    }
    turns = feed(Adaptive(AIM, 0), results, 3 * FLOOR + 8 * SHARE)
    assert sorted(turns[: 3 * FLOOR]) == sorted([*results] * FLOOR)
    assert turns.count("bad") >= FLOOR + 2


def test_every_eighth_turn_goes_to_the_method_with_fewest_however_much_the_best_one_gains():
    allocation, turns, left = Adaptive(AIM, 0), list[str](), {"best": 1000, "bad": 1000}
    for number in range(2 * FLOOR + 4 * SHARE):
        name = allocation.choose(left)
        assert name is not None
        turns.append(name)
        accuracy = 0.5 + 0.3 * (number * 0.618 % 1) if name == "best" else 0.1
        allocation.note(name, trial(name, accuracy, 1.2 - accuracy if name == "best" else 0.9))
    after = range(2 * FLOOR, len(turns))
    expected = ["best" if number % SHARE else "bad" for number in after]
    assert turns[2 * FLOOR :] == expected


def moving(name: str, at: float, seconds: float) -> list[list[Row]]:
    """Trials that spread around a point of the trade-off."""
    return [trial(name, at + 0.1 * step, 0.4 + 0.1 * step, seconds) for step in (0, 1, -1, 2)]


def test_told_trials_are_judged_against_the_common_front_a_second():
    def rates(*sets: list[list[Row]]) -> dict[str, float]:
        rows = [rows for trials in sets for rows in trials]
        names = dict.fromkeys(rows[-1]["unlearner"] for rows in rows)
        return Adaptive(AIM, 0, rows).measure_rates(list(names))

    found = rates(moving("low", 0.2, 1.0), moving("high", 0.7, 1.0))
    assert found["high"] > 2 * found["low"]
    slow = rates(moving("low", 0.2, 1.0), moving("high", 0.7, 10.0))
    assert slow["high"] == pytest.approx(found["high"] / 10)
    alone = rates(moving("low", 0.2, 1.0))
    assert alone["low"] > found["low"], "its own front is not the measure"


def test_what_trials_did_add_counts_beside_what_is_expected_of_them():
    """Base fills the quarter up to (.5, .5); b adds the eighth of the box above it, and then nothing."""
    base = [trial("base", 0.0, 1.0), *[trial("base", 0.5, 0.5)] * 3]
    added = [trial("b", 1.0, 0.75, seconds=2.0)] * 2
    rates = Adaptive(AIM, 0, [*base, *added]).measure_rates(["b"])
    expected, added_by_two, seconds = 0.0, 0.125 + 0.0, 2.0  # its next trial would add nothing
    counted = (PRIOR * expected + added_by_two) / (PRIOR + 2)
    assert rates["b"] == pytest.approx(counted / seconds, rel=0.05)


def test_a_front_that_another_method_moves_is_what_a_method_is_judged_by_next():
    rows = [*moving("a", 0.6, 1.0), *moving("b", 0.5, 1.0)]
    allocation = Adaptive(AIM, 0, rows)
    before = allocation.measure_rates(["a", "b"])
    assert allocation.choose({"b": 1}) == "b"
    better = trial("b", 0.95, 0.1)
    allocation.note("b", better)
    after = allocation.measure_rates(["a", "b"])
    assert after == Adaptive(AIM, 0, [*rows, better]).measure_rates(["a", "b"])
    assert after["a"] < before["a"]


def test_trials_that_run_already_make_the_next_one_worth_less():
    rows = [*moving("a", 0.7, 1.0), *moving("b", 0.69, 1.0)]
    allocation = Adaptive(AIM, 0, rows)
    chosen = {allocation.choose({"a": 9, "b": 9}) for _ in range(3)}
    assert chosen == {"a", "b"}


def test_failed_trials_and_points_that_do_not_count_gain_nothing():
    rows = [*moving("a", 0.7, 1.0), *[trial("b", 0.9, 0.1, state="failed")] * 3]
    assert Adaptive(AIM, 0, rows).measure_rates(["a", "b"])["b"] == 0
    blind = Adaptive(AIM, 0, rows, counts=lambda row: False)
    assert blind.measure_rates(["a", "b"]) == {"a": 0, "b": 0}


@pytest.mark.parametrize("kept", [0, 5, 30])
def test_the_same_rows_and_seed_give_the_same_turns(kept):
    results = {"a": trial("a", 0.3, 0.1), "b": trial("b", 0.8, 0.4, 2.0), "c": trial("c", 0.9, 0.9)}
    whole = feed(Adaptive(AIM, 7), results, 60)
    again = Adaptive(AIM, 7, [results[name] for name in whole[:kept]])
    assert feed(again, results, 60 - kept) == whole[kept:]


def test_what_is_left_is_one_number_for_all_methods():
    allocation = Adaptive(AIM, 0)
    assert allocation.choose({"a": 2, "b": -1}) is not None
    assert allocation.choose({"a": 1, "b": -1}) is None
    assert Allocation().choose({"a": 0, "b": 2}) == "b"
    assert Allocation().choose({"a": 0}) is None


def test_methods_that_may_not_begin_now_still_count_as_left():
    favoured = {"a": -4, "b": 9}
    assert Adaptive(AIM, 0).choose(favoured, ["a"]) == "a"
    assert Adaptive(AIM, 0).choose({"a": -9, "b": 9}, ["b"]) is None
    assert Adaptive(AIM, 0).choose(favoured, []) is None
    assert Allocation().choose({"a": 5, "b": 2, "c": 1}, ["c", "b"]) == "b"
    assert Allocation().choose(favoured, ["a"]) is None
    assert Allocation().choose(favoured, []) is None


def test_a_method_without_anything_to_search_has_one_trial():
    rows = [trial("a", 0.3, 0.1), trial("b", 0.8, 0.4), trial("fixed", 0.9, 0.9)] * 2
    allocation = Adaptive(AIM, 0, single=["fixed"])
    turns = feed(allocation, {t[-1]["unlearner"]: t for t in rows}, 30)
    assert turns.count("fixed") == 1
    assert Adaptive(AIM, 0, rows, single=["fixed"]).choose({"fixed": 9}) is None


def test_the_number_of_trials_of_an_adaptive_sweep_is_one_for_all_methods():
    config = SweepConfig(unlearners=("finetune", "ssd"), trials=10, allocation="adaptive")
    ended = {f"t{n}": [{"role": "trial", "unlearner": "ssd"}] for n in range(15)}
    assert trials_left(config, ended) == {"finetune": 5, "ssd": 0}
    equal = dataclasses.replace(config, allocation="equal")
    assert trials_left(equal, ended) == {"finetune": 10, "ssd": 0}
    ended |= {f"u{n}": [{"role": "trial", "unlearner": "finetune"}] for n in range(5)}
    assert not any(trials_left(config, ended).values())


def test_what_one_method_had_beyond_its_own_budget_is_taken_from_all_others_in_turn():
    config = SweepConfig(unlearners=("finetune", "ssd", "jit"), trials=10, allocation="adaptive")
    ended = {f"t{n}": [{"role": "trial", "unlearner": "jit"}] for n in range(25)}
    assert trials_left(config, ended) == {"finetune": 2, "ssd": 3, "jit": 0}


def test_an_unknown_allocation_names_the_valid_ones():
    with pytest.raises(InvalidValue, match="valid: equal, adaptive"):
        SweepConfig(allocation="fair").validate()


def test_the_allocation_of_a_sweep_goes_on_from_its_rows_and_judges_as_its_front_does():
    rows = [stored_trial(n, turn) for n, turn in enumerate(["a", "b"] * 6)]
    config = SweepConfig(unlearners=("finetune", "ssd"), allocation="adaptive", seed=3)
    once, again = (make_allocation(config, order, None) for order in (rows, rows[::-1]))
    assert once.measure_rates(["finetune", "ssd"]) == again.measure_rates(["finetune", "ssd"])
    strict = dataclasses.replace(config, require=("relative_cost<=.01",))
    assert not any(make_allocation(strict, rows, None).measure_rates(["finetune", "ssd"]).values())
    assert type(make_allocation(SweepConfig(), rows, None)) is Allocation


def stored_trial(number: int, method: str) -> list[Row]:
    name = {"a": "finetune", "b": "ssd"}[method]
    at = NOON + timedelta(minutes=number)
    more = {"validation_indistinguishability": 0.05 * number, "trial_id": f"{name}-{number}"}
    return [{**trial(name, 0.9, 0.1 + 0.02 * number)[0], **more, "finished_at": at, "epoch": 1}]
