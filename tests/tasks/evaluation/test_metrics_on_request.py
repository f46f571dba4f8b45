"""Metrics on request: how they are listed and chosen, and scores of papers by hand."""

from __future__ import annotations

import dataclasses
import inspect
import math

import numpy as np
import pytest
from made_outputs import asked, held, made
from program import ROOT
from test_attackers import of_one_class

from tasks.errors import InvalidValue
from tasks.evaluation import (
    METRICS,
    choose_metrics,
    every_metric,
    list_of_shadows,
    list_on_request,
    measure,
    metric_named,
)
from tasks.evaluation.composite import multiply_closeness
from tasks.evaluation.outputs import Evaluation
from tasks.evaluation.scores import combine_nomus, divide_aus
from tasks.evaluation.statistics import pooled_deviation


def test_no_row_pays_for_what_is_on_request() -> None:
    found = measure(held(0.0))
    assert set(found) & set(list_on_request()) == set()
    assert set(measure(held(0.0), ["tow_mia"])) - set(found) == {"tow_mia"}


def test_the_list_in_the_docs_is_that_of_the_registry() -> None:
    text = (ROOT / "docs" / "metrics.md").read_text()
    spelt = {"up": "more", "down": "less", "references": "as retrained"}
    for name, metric in every_metric().items():
        best = metric.best
        ideal = f"{best:g}" if isinstance(best, float) else spelt[best]
        line = next(
            (one for one in text.splitlines() if one.startswith(f"| `{name}` | {ideal} |")), ""
        )
        assert metric.help.replace("|", "\\|") in line, name


def test_metrics_are_chosen_by_name() -> None:
    assert choose_metrics("") == ()
    trained, packaged = list_of_shadows(), ["autoattack_gap"]
    assert list(choose_metrics("all")) == [
        n for n in list_on_request() if n not in (*trained, *packaged)
    ]
    assert list(choose_metrics("shadows,zrf")) == ["zrf", *trained]
    assert set(choose_metrics("all")) - set(choose_metrics("all,-pgd_gap")) == {"pgd_gap"}
    assert choose_metrics("zrf, tow") == ("zrf",), "tow is in every row"
    with pytest.raises(InvalidValue, match=r"unknown metric 'zrff' \(did you mean zrf\?\)"):
        choose_metrics("zrff")


@pytest.mark.parametrize("name", [n for n in METRICS if every_metric()[n].tier == "request"])
def test_what_is_on_request_says_what_it_is_or_what_it_is_beside(name: str) -> None:
    metric = every_metric()[name]
    text = inspect.getdoc(metric.function) or ""
    says_it = "Range" in text or "[0, 1]" in text
    assert says_it or any(other in text for other in METRICS if other != name)


def test_scores_of_papers_by_hand() -> None:
    assert multiply_closeness([np.array([0.05]), np.array([-0.01]), np.array([0.02])]) == (
        pytest.approx(0.92169)
    )
    assert divide_aus(0.94 - 0.92, 0.10 - 0.92) == pytest.approx(0.53846, abs=1e-5)
    assert divide_aus(0.94 - 0.92, 0.10) == pytest.approx(0.89091, abs=1e-5)
    assert combine_nomus(0.9, 0.5) == pytest.approx(0.7)


def test_scores_read_the_accuracies_that_they_name() -> None:
    """Right but on class 1, which is forgotten; the original is always right."""
    labels = np.arange(120) % 4
    right = made(np.full(120, 0.1), labels)
    blind = dataclasses.replace(
        right, logits=np.where((labels == 1)[:, None], [9.0, 0, 0, 0], right.logits)
    )
    before = Evaluation(right, right, right, right, (1,))
    case = Evaluation(right, blind, blind, blind, (1,), original=lambda: before)
    found = asked(case, "aus_class", "aus_random")
    assert found["aus_class"] == 1.0, "nothing lost on the others, nothing left of the class"
    assert found["aus_random"] == pytest.approx(0.75 / (1 + 0))
    assert asked(dataclasses.replace(case, original=None), "aus_class")["aus_class"] is None


def test_activation_distance_of_opposite_certainties_is_the_square_root_of_two() -> None:
    case = of_one_class(1 - 1e-12, 1e-12, 1e-12)
    found = metric_named("activation_distance")(case)
    assert found == pytest.approx(math.sqrt(2))


def test_excess_is_one_for_the_original_and_zero_below_the_floor() -> None:
    original = held(3.0)
    same = dataclasses.replace(original, original=lambda: original)
    assert asked(same, "excess_divergence")["excess_divergence"] == pytest.approx(1)
    between = asked(dataclasses.replace(held(1.5), original=lambda: original), "excess_divergence")[
        "excess_divergence"
    ]
    assert between is not None
    assert 0 < between < 1


def test_shares_beyond_two_deviations_tell_both_sides_at_once() -> None:
    """The two shares see what a mean hides; a model like the references has a few per cent of each."""
    names = ("share_over_unlearned", "share_under_unlearned")
    like, over, under = (asked(held(f), *names) for f in (0.0, -3.0, 3.0))
    assert max(like.values()) < 0.1  # type: ignore[type-var,operator]
    assert over[names[0]] > 0.9 > 0.1 > over[names[1]]  # type: ignore[operator]
    assert under[names[1]] > 0.9 > 0.1 > under[names[0]]  # type: ignore[operator]
    rng = np.random.default_rng(0)
    assert pooled_deviation(rng.normal(5, 2, (4, 20_000)) + np.arange(20_000)) == (
        pytest.approx(2, rel=0.02)
    )
