"""Means over fresh seeds: intervals, pairs, what still holds, and how far a search flattered."""

from __future__ import annotations

import json
import statistics
from typing import Any

import numpy as np
import pytest
import scipy.stats

from orchestrator.confirmed import Confirmation, Repeated, confirmation, estimate
from orchestrator.objectives import objective_named

ACCURACY = "validation_accuracy_retained"
OBJECTIVE = objective_named(f"{ACCURACY}:max,unlearn_seconds:min")


def row(trial_id: str, accuracy: float | None, seed: int = 0, **columns: Any) -> dict[str, Any]:
    """A row of sweep `s`, or of the one that confirms it with another seed."""
    role = trial_id if trial_id in ("original", "retrained") else "trial"
    return {
        "sweep": "s" if seed == 0 else f"s+seed-{seed}", "confirms": "s" if seed else None,
        "role": role, "trial_id": trial_id, "task_seed": seed, "state": "complete", "epoch": 1,
        "unlearner": trial_id.partition("-")[0], "params": json.dumps({"lr": 0.1, "epochs": 2}),
        ACCURACY: accuracy, "unlearn_seconds": 1.0, **columns,
    }  # fmt: skip


@pytest.mark.parametrize("n", [2, 3, 10])
def test_the_interval_is_student_s(n):
    values = np.random.default_rng(n).normal(size=n).tolist()
    found = estimate(values)
    low, high = scipy.stats.t.interval(
        0.95, n - 1, loc=statistics.fmean(values), scale=scipy.stats.sem(values)
    )
    assert (found.mean - found.half, found.mean + found.half) == pytest.approx((low, high))
    assert found.n == n


def test_one_value_has_no_interval_and_none_no_mean():
    assert estimate([0.5, None]).half is None
    assert estimate([None]) is None


def test_about_19_of_20_intervals_hold_the_truth():
    rng = np.random.default_rng(0)
    found = [estimate(rng.normal(loc=3, size=5).tolist()) for _ in range(2000)]
    assert 0.93 < np.mean([abs(f.mean - 3) < f.half for f in found]) < 0.97


def test_a_difference_is_taken_seed_by_seed():
    model = Repeated({}, [row("ssd-0", a, seed=s) for s, a in ((1, 0.8), (2, 0.9), (3, 0.5))])
    other = Repeated({}, [row("original", a, seed=s) for s, a in ((2, 0.8), (1, 0.7))])
    found = model.against(other, ACCURACY)
    assert (found.mean, found.half, found.n) == (pytest.approx(0.1), pytest.approx(0), 2)


def found_in(*rows: dict[str, Any]) -> Confirmation:
    return confirmation(rows, "s", OBJECTIVE)


def test_repeats_go_to_the_point_with_their_hyper_parameters_and_epoch():
    lr = {"params": json.dumps({"lr": 0.2, "epochs": 1})}
    found = found_in(
        row("original", 0.95), row("original", 0.94, seed=1),
        row("ssd-0", 0.9), row("ssd-9", 0.8, seed=1), row("ssd-9", 0.1, seed=1, epoch=2),
        row("ssd-1", 0.8, unlearn_seconds=0.5, **lr), row("ssd-8", 0.7, seed=1, **lr),
        row("ssd-8", None, seed=2, state="failed", **lr), row("ssd-7", 0.2, seed=3, confirms="other"),
    )  # fmt: skip
    searched = {p.searched["trial_id"]: [r[ACCURACY] for r in p.repeats] for p in found.points}
    assert searched == {"ssd-0": [0.8], "ssd-1": [0.7]}
    assert [r[ACCURACY] for r in found.baselines["original"].repeats] == [0.94]
    assert found.flattered(ACCURACY) == pytest.approx(0.1)


def test_a_point_whose_means_another_dominates_does_not_hold():
    fast, slow = {"unlearn_seconds": 0.5}, {"params": json.dumps({"lr": 0.2})}
    found = found_in(
        row("ssd-0", 0.8, **fast), row("ssd-1", 0.9, **slow),
        *(row("ssd-0", 0.8, seed=s, **fast) for s in (1, 2)),
        *(row("ssd-1", a, seed=s, **slow) for s, a in ((1, 0.9), (2, 0.5))),
    )  # fmt: skip
    names = [point.searched["trial_id"] for point in found.points]
    assert dict(zip(names, found.holds(), strict=True)) == {"ssd-0": True, "ssd-1": False}


def test_a_point_without_a_repeat_does_not_hold_either():
    found = found_in(row("ssd-0", 0.8), row("ssd-0", None, seed=1, state="failed"))
    assert found.holds() == [False]
    assert found.flattered(ACCURACY) is None
