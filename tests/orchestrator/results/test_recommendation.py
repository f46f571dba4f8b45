"""One answer: the recommended point of a front, and the points that are tied with a cheaper one."""

from __future__ import annotations

import random
from typing import Any

from orchestrator.results.noise import find_noise_floor
from orchestrator.results.objectives import OBJECTIVES, front_rows, score
from orchestrator.results.recommendation import (
    choose_of_each_method,
    find_tied,
    recommend_for_methods,
    recommend_point,
)

PARETO = OBJECTIVES["pareto"]
Row = dict[str, Any]


def row(trial_id: str, accuracy: float, hidden: float, cost: float, role: str = "trial") -> Row:
    """A row with all that the rule reads."""
    return {
        "trial_id": trial_id, "role": role, "state": "complete", "validation_accuracy_retained": accuracy,
        "validation_indistinguishability": hidden, "relative_cost": cost,
    }  # fmt: skip


MODELS = [
    row("original", 0.90, 0.20, 0.0, "original"),
    row("retrained", 0.90, 0.97, 1.0, "retrained"),
    row("reference-1", 0.92, 0.99, 1.0, "retrained"),
    row("reference-2", 0.91, 0.95, 1.0, "retrained"),
]
"""Standard deviations between retrains: .01 of accuracy, .02 of indistinguishability."""


def test_the_cheapest_within_one_deviation_of_the_highest_score_is_recommended() -> None:
    best = row("best", 0.90, 0.90, 0.10)
    alike = row("alike", 0.895, 0.885, 0.09)
    worse = row("worse", 0.885, 0.90, 0.087)  # 1.5 deviations less accurate
    hidden = row("hidden", 0.90, 0.87, 0.075)  # 1.5 deviations less indistinguishable
    rows = [*MODELS, best, alike, worse, hidden]
    assert max(rows[4:], key=lambda r: score(r) or 0) is best
    assert recommend_point(rows, PARETO) is alike
    assert recommend_point([*MODELS, best, worse, hidden], PARETO) is best


def test_of_points_that_cost_the_same_the_one_with_the_higher_score_is_recommended() -> None:
    best = row("best", 0.90, 0.90, 0.10)
    lower, higher = row("lower", 0.892, 0.890, 0.095), row("higher", 0.899, 0.889, 0.095)
    rows = [*MODELS, best, lower, higher]
    assert front_rows(rows, PARETO) == [best, lower, higher]
    assert recommend_point(rows, PARETO) is higher


def test_it_lies_on_the_front_and_never_where_nothing_was_forgotten() -> None:
    rng = random.Random(0)
    for _ in range(200):
        trials = [row(f"t{n}", *(rng.random() for _ in range(3))) for n in range(8)]
        rows = [*MODELS, *trials]
        front, found = front_rows(rows, PARETO), recommend_point(rows, PARETO)
        assert (found is None) == (not front)
        assert found is None or any(found is point for point in front)
    assert recommend_point([*MODELS, row("idle", 0.905, 0.21, 0.01)], PARETO) is None


def test_with_one_retrained_model_the_highest_score_is_recommended() -> None:
    best, near = row("best", 0.90, 0.90, 0.10), row("near", 0.899, 0.899, 0.0999)
    assert recommend_point([*MODELS[:2], best, near], PARETO) is best


def test_a_point_is_tied_if_a_cheaper_one_is_as_good_beyond_the_noise() -> None:
    cheap = row("cheap", 0.88, 0.60, 0.05)
    tied = row(
        "tied", 0.90, 0.65, 0.20
    )  # .02 and .05 better: within a retrain's interval of .05 and .1
    better = row("better", 0.88, 0.80, 0.30)
    rows = [*MODELS, cheap, tied, better]
    front = front_rows(rows, PARETO)
    assert front == [cheap, tied, better]
    assert find_tied(front, find_noise_floor(rows), PARETO) == [False, True, False]


def test_points_of_equal_cost_are_not_tied_with_each_other() -> None:
    one, other = row("one", 0.90, 0.60, 0.05), row("other", 0.895, 0.61, 0.05)
    assert find_tied([one, other], find_noise_floor(MODELS), PARETO) == [False, False]


def test_a_gain_as_large_as_the_noise_is_no_gain() -> None:
    """Two references of equal accuracy: no difference in it is noise, and none at all is no gain."""
    two = [MODELS[0], *(row(f"r{n}", 0.90, 0.97, 1.0, "retrained") for n in range(2))]
    cheap, dear = row("cheap", 0.90, 0.60, 0.05), row("dear", 0.90, 0.65, 0.20)
    better = row("better", 0.901, 0.65, 0.30)
    tied = find_tied([cheap, dear, better], find_noise_floor(two), PARETO)
    assert tied == [False, True, False]


def test_nothing_is_tied_where_the_noise_is_unknown_or_cost_is_all_that_counts() -> None:
    points = [row("a", 0.90, 0.60, 0.05), row("b", 0.901, 0.60, 0.06)]
    assert find_tied(points, find_noise_floor(points), PARETO) == [False, False]
    assert find_tied(points, find_noise_floor(MODELS), OBJECTIVES["time"]) == [False, False]


def test_each_method_stands_with_its_recommended_point_or_else_its_best_attempt() -> None:
    good = {**row("good", 0.90, 0.90, 0.10), "unlearner": "ssd"}
    dear = {**row("dear", 0.90, 0.90, 0.50), "unlearner": "ssd"}
    lazy = {**row("lazy", 0.90, 0.20, 0.001), "unlearner": "finetune"}
    tried = {**row("tried", 0.90, 0.21, 0.90), "unlearner": "finetune"}
    failed = {**row("failed", 0.9, 0.9, 0.1), "unlearner": "jit", "state": "failed"}
    failed |= dict.fromkeys(("validation_accuracy_retained", "relative_cost"))
    rows = [*MODELS, dear, good, lazy, tried, failed]
    chosen = choose_of_each_method(rows, PARETO)
    assert [r["trial_id"] for r in chosen] == ["tried", "good"]
    assert recommend_for_methods(rows, PARETO) == {"finetune": None, "jit": None, "ssd": good}
    assert (score(lazy) or 0) > (score(tried) or 0), "the score alone would choose what did nothing"
