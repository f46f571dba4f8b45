"""Many differences at once: the t-test of each, and Holm's correction for all of them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.stats

from orchestrator.results.confirmation.differences import (
    correct_by_holm,
    find_significant,
    list_p_values,
)
from orchestrator.results.confirmation.repeats import build_confirmation, estimate_mean
from orchestrator.results.confirmation.table import list_header, list_lines, list_notes
from tests.orchestrator.results.test_confirmed import OBJECTIVE, row

ACCURACY = "test_accuracy_retained"


@pytest.mark.parametrize("n", [2, 3, 10])
def test_the_p_value_is_the_t_test_s(n):
    values = np.random.default_rng(n).normal(0.5, size=n).tolist()
    expected = scipy.stats.ttest_1samp(values, 0).pvalue
    assert estimate_mean(values).p_value() == pytest.approx(expected, rel=1e-12)


def test_an_interval_leaves_0_out_exactly_where_the_p_value_is_small():
    rng = np.random.default_rng(3)
    for _ in range(200):
        found = estimate_mean(rng.normal(0.6, 1, 6).tolist())
        assert (abs(found.mean) > found.half) == (found.p_value() < 0.05)


def test_without_spread_there_is_no_p_value():
    """Three seeds may each differ by one image: that is no certainty."""
    for values in ([0.004, 0.004, 0.004], [0.0, 0.0, 0.0], [1.0]):
        assert estimate_mean(values).p_value() is None


@pytest.mark.parametrize("images", [150, 162, 269, 10_000])
def test_one_image_with_each_seed_is_no_spread_however_it_rounds(images):
    """(k + 1) / n - k / n is another float for another k: their spread of 1e-17 gave a p-value of 1e-14."""
    for first in range(0, images - 4, 3):
        found = estimate_mean((k + 1) / images - k / images for k in (first, first + 1, first + 3))
        assert (found.half, found.p_value()) == (0.0, None)


def test_holm_s_correction_has_its_known_values():
    """The smallest is multiplied by 4, the next by 3, and none falls below the one before."""
    assert correct_by_holm([0.04, 0.01, 0.03, 0.005]) == pytest.approx([0.06, 0.03, 0.06, 0.02])
    assert correct_by_holm([0.9, 0.6]) == pytest.approx([1.0, 1.0])
    assert correct_by_holm([]) == []


def test_holm_s_correction_is_the_closure_of_bonferroni_s():
    """An adjusted value is the largest, over all sets with the hypothesis, of set size times smallest value."""
    p_values = np.random.default_rng(0).uniform(0, 0.2, 6).tolist()
    places = range(len(p_values))
    sets = [s for size in places for s in itertools.combinations(places, size + 1)]
    for place, corrected in enumerate(correct_by_holm(p_values)):
        bonferroni = [min(1, len(s) * min(p_values[i] for i in s)) for s in sets if place in s]
        assert corrected == pytest.approx(max(bonferroni))


def test_of_differences_that_are_0_one_search_in_twenty_names_any():
    rng = np.random.default_rng(1)
    alone, named = [], []
    for _ in range(1000):
        found = [estimate_mean(rng.normal(size=5).tolist()).p_value() for _ in range(20)]
        alone.append(min(found) < 0.05)
        named.append(
            bool(find_significant({(str(n), 1, "original"): p for n, p in enumerate(found)}))
        )
    assert 0.55 < np.mean(alone) < 0.72, "1 - .95 ** 20 = .64 of the tables have a false one"
    assert 0.03 < np.mean(named) < 0.07


def confirmed():
    """Two points over five seeds: one is .2 below the original with each, the other is like it."""
    rows = [row("original", 0.9), row("ssd-0", 0.7), row("finetune-1", 0.9)]
    noise = np.random.default_rng(2).normal(0, 0.01, (5, 3))
    for seed, (model, far, near) in enumerate(noise, 1):
        rows += [row("original", 0.9 + model, seed), row("ssd-0", 0.7 + far, seed)]
        rows.append(row("finetune-1", 0.9 + near, seed, unlearn_seconds=0.5))
    return build_confirmation(rows, "s", OBJECTIVE, "methods")


def test_the_table_marks_what_remains_and_says_how_many_were_compared():
    found = confirmed()
    place = next(
        n for n, text in enumerate(list_header(found)) if text.startswith("less the\norig")
    )
    cells = {line[0]: line[place] for _, line in list_lines(found)}
    assert cells["original"] == "-"
    assert "±" in cells["ssd"]
    assert [name for name, cell in cells.items() if cell.endswith("*")] == ["ssd"]
    (said,) = (text for text in list_notes(found) if "Multiple comparisons" in text)
    assert "the table has 2 differences" in said
    assert said.endswith("by Holm's correction: 1.")


def test_the_two_models_differ_once_whatever_the_sign():
    rows = [row("original", 0.9), row("retrained", 0.8), row("ssd-0", 0.7)]
    for seed, noise in enumerate(np.random.default_rng(4).normal(0, 0.001, (4, 3)), 1):
        for (name, value), shift in zip(
            (("original", 0.9), ("retrained", 0.8), ("ssd-0", 0.7)), noise, strict=True
        ):
            rows.append(row(name, value + shift, seed))
    found = build_confirmation(rows, "s", OBJECTIVE)
    assert len(list_p_values(found, ACCURACY)) == 3
    lines = {line[0]: line for _, line in list_lines(found)}
    marked = {name: sum(cell.endswith("*") for cell in line) for name, line in lines.items()}
    assert marked == {"original": 1, "retrained": 1, "ssd": 2}


def test_with_fewer_seeds_than_give_an_interval_nothing_is_compared():
    rows = [row("original", 0.9), row("ssd-0", 0.7)]
    rows += [
        row(name, value, seed)
        for seed in (1, 2)
        for name, value in (("original", 0.9), ("ssd-0", 0.7))
    ]
    found = build_confirmation(rows, "s", OBJECTIVE)
    assert list_p_values(found, ACCURACY) == {}
    assert not any("Multiple comparisons" in text for text in list_notes(found))
