"""The original model is a point of cost 0: what it dominates within the noise of retrains is on no front."""

from __future__ import annotations

import math
import statistics
from typing import Any

import numpy as np
import pytest
from scipy.stats import t

from orchestrator.results.noise import NoiseFloor, explain_what_is_to_forget, find_noise_floor
from orchestrator.results.objectives import OBJECTIVES, front_rows, objective_named

PARETO = OBJECTIVES["pareto"]
Row = dict[str, Any]


def row(name: str, accuracy: float, hidden: float, cost: float = 0.1) -> Row:
    """A row of the trial, or the model, of this name."""
    roles = {"original": "original", "reference": "retrained", "retrained": "retrained"}
    return {
        "trial_id": name, "role": roles.get(name.split("-")[0], "trial"), "state": "complete",
        "validation_accuracy_retained": accuracy, "validation_indistinguishability": hidden,
        "relative_cost": cost,
    }  # fmt: skip


MODELS = [
    row("original", 0.90, 0.20, 0.0),
    row("retrained", 0.90, 0.95, 1.0), row("reference-1", 0.91, 1.0, 1.0), row("reference-2", 0.89, 0.9, 1.0),
]  # fmt: skip


def names(rows: list[Row]) -> list[str]:
    return [found["trial_id"] for found in rows]


def test_the_width_is_student_s_prediction_interval() -> None:
    floor = find_noise_floor(MODELS)
    assert floor is not None
    spread = statistics.stdev([0.90, 0.91, 0.89])
    expected = t.ppf(0.975, 2) * spread * math.sqrt(4 / 3)
    assert floor.width("validation_accuracy_retained") == pytest.approx(expected)


def test_the_interval_holds_a_further_retrain_as_often_as_it_says() -> None:
    rng, inside = np.random.default_rng(0), []
    for _ in range(2000):
        *seen, new = rng.normal(0.9, 0.01, 4)
        floor = NoiseFloor({}, [{"accuracy": value} for value in seen])
        inside.append(abs(new - statistics.fmean(seen)) <= floor.width("accuracy"))
    assert np.mean(inside) == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / 2000))


def test_a_point_that_did_next_to_nothing_is_on_no_front() -> None:
    idle = row("idle-a", 0.905, 0.21, 0.0001)
    forgets = row("forgets-a", 0.88, 0.8)
    ruined = row("ruined-a", 0.1, 0.19, 0.00001)
    assert names(front_rows([*MODELS, idle, forgets, ruined], PARETO)) == ["forgets-a"]
    assert names(front_rows([idle, forgets, ruined], PARETO)) == ["idle-a", "forgets-a", "ruined-a"]


def test_two_references_are_alike_to_each_other_yet_not_without_noise() -> None:
    """Each is held against the other: their scores are equal, and would let every step pass."""
    two = [MODELS[0], row("retrained", 0.90, 0.95, 1.0), row("reference-1", 0.90, 0.95, 1.0)]
    floor = find_noise_floor(two)
    assert floor is not None
    assert floor.width("validation_indistinguishability") == 0.0
    small, large = row("small-a", 0.9, 0.27, 0.05), row("large-a", 0.9, 0.29)  # a tenth of .8: .08
    assert names(front_rows([*two, small, large], PARETO)) == ["large-a"]


@pytest.mark.parametrize(("apart", "least"), [(0.0, 0.08), (1e-17, 0.08), (0.02, 0.254)])
def test_two_references_protect_every_column_of_what_lies_between_them(
    apart: float, least: float
) -> None:
    """A divergence from one another is the same for both: its spread of 0 would let every step pass."""
    name = "validation_forget_divergence"
    values = (0.9, 0.1 + apart / 2, 0.1 - apart / 2)
    original, *references = [{name: value} for value in values]
    assert NoiseFloor(original, references).least_gain(name) == pytest.approx(least, rel=0.3)
    more = [{name: 0.1}] * 3
    assert NoiseFloor(original, more).least_gain(name) == 0.0, "three that agree show it"
    up = {"validation_accuracy_retained": 0.9}
    assert NoiseFloor(up, [up, up]).least_gain("validation_accuracy_retained") == 0.0


def test_below_three_references_no_width_is_told() -> None:
    for count, told in ((2, False), (3, True)):
        floor = NoiseFloor({}, [{"a": 0.1 * n} for n in range(count)])
        assert (floor.tell_width("a") is not None) == told


def test_a_better_accuracy_alone_is_no_forgetting_but_counts_where_nothing_else_is_asked_for() -> (
    None
):
    better = row("better-a", 0.99, 0.1)
    assert names(front_rows([*MODELS, better], PARETO)) == []
    own = objective_named("validation_accuracy_retained:max,relative_cost:min")
    assert names(front_rows([*MODELS, better], own)) == ["better-a"]


def test_an_objective_of_cost_alone_leaves_nothing_out() -> None:
    cheap, dear = row("cheap-a", 0.9, 0.2, 0.01), row("dear-a", 0.9, 0.2, 0.02)
    assert names(front_rows([*MODELS, cheap, dear], objective_named("time"))) == ["cheap-a"]


@pytest.mark.parametrize("kept", [[], MODELS[:1], MODELS[:2], MODELS[1:]])
def test_without_an_original_and_two_references_nothing_is_known_of_noise(kept: list[Row]) -> None:
    assert find_noise_floor(kept) is None


def test_what_there_is_to_forget_is_told_before_the_trials() -> None:
    floor = find_noise_floor(MODELS)
    assert floor is not None
    assert explain_what_is_to_forget(floor).startswith("there is something to forget: indis")
    like_a_retrain = find_noise_floor([row("original", 0.9, 0.93, 0.0), *MODELS[1:]])
    assert like_a_retrain is not None
    said = explain_what_is_to_forget(like_a_retrain)
    assert said.startswith("NOTICE: this task cannot show forgetting")
    assert "0.930" in said
    assert "0.950, standard deviation 0.050" in said


def test_two_references_do_not_tell_whether_an_original_close_to_them_forgot_nothing() -> None:
    """CIFAR-10, a random tenth, a small model: nothing is remembered, and the two score 1 by definition."""
    models = [row("retrained", 0.8, 1.0, 1.0), row("reference-1", 0.8, 1.0, 1.0)]
    close, far = (find_noise_floor([row("original", 0.81, s, 0.0), *models]) for s in (0.95, 0.2))
    assert close is not None
    assert far is not None
    said = explain_what_is_to_forget(close)
    assert said.startswith("NOTICE: unknown whether there is something to forget")
    assert "--references 4" in said
    assert explain_what_is_to_forget(far).startswith("there is something to forget")
