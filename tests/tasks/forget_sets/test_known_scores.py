"""Scores that choose a forget set: known answers, and arguments that are refused before anything is trained."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.datasets.dataset import Dataset
from tasks.errors import InvalidValue
from tasks.evaluation.outputs import Outputs
from tasks.forget_sets import forget_set
from tasks.forget_sets.scored.base import ScoredForgetSet
from tasks.forget_sets.scored.boundary import measure_distances
from tasks.forget_sets.scored.cluster import cluster_by_size
from tasks.forget_sets.scored.entangled import group_by_distance, measure_entanglement
from tasks.forget_sets.scored.worst_case import mark_heaviest, project_weights
from tasks.roles import (
    ORIGINAL,
    SCORING,
    early_role,
    memorisation_role,
    reference_role,
    repeat_role,
    shadow_role,
    training_seed,
)
from tasks.scoring.training_log import LAST, TrainingLog, measure_error
from tasks.task import Task


@pytest.mark.parametrize(
    ("values", "total", "expected"),
    [
        ([0.9, 0.8, 0.1], 2, [0.9 + 1 / 15, 0.8 + 1 / 15, 0.1 + 1 / 15]),
        ([5.0, 0.2, 0.1], 1, [1.0, 0.0, 0.0]),
        ([0.5, 0.5, 0.5, 0.5], 1, [0.25] * 4),
        ([-3e30, 0.0, -3e30], 1, [0.0, 1.0, 0.0]),
    ],
)
def test_weights_are_projected_onto_their_simplex(values, total, expected) -> None:  # type: ignore[no-untyped-def]
    assert project_weights(np.array(values), total) == pytest.approx(expected, abs=1e-9)


def test_a_projection_is_the_nearest_point_that_is_allowed() -> None:
    """Moving weight between any two entries, as far as [0, 1] allows, comes no nearer."""
    values = np.random.default_rng(0).normal(size=40)
    found = project_weights(values, 12)
    assert found.sum() == pytest.approx(12)
    for i, j in np.random.default_rng(1).integers(0, 40, (200, 2)):
        move = min(1e-3, 1 - found[i], found[j])
        other = found.copy()
        other[i] += move
        other[j] -= move
        assert ((other - values) ** 2).sum() >= ((found - values) ** 2).sum() - 1e-12


def test_equal_weights_are_marked_in_the_order_given() -> None:
    weights = np.array([0.0, 1.0, 0.5, 0.5, 0.5])
    assert np.flatnonzero(mark_heaviest(weights, 2, np.array([4, 3, 2, 1, 0]))).tolist() == [1, 4]
    assert np.flatnonzero(mark_heaviest(weights, 2, np.array([2, 3, 4, 1, 0]))).tolist() == [1, 2]


def test_el2n_of_a_certain_and_of_a_blind_model() -> None:
    classes = 10
    p = np.array([np.eye(classes)[3], np.eye(classes)[4], np.full(classes, 1 / classes)])
    found = measure_error(p, np.array([3, 3, 3]))
    assert found == pytest.approx([0.0, np.sqrt(2), np.sqrt(1 - 1 / classes)])


def test_a_log_averages_over_the_epochs_and_losses_over_the_last() -> None:
    """One example of two classes, whose label has the probability 1/2, then e^-1, e^-2, …"""
    log, labels = TrainingLog(), np.zeros(1, np.int64)
    confidences = [0.5, *np.exp(-np.arange(1.0, LAST + 1))]
    for p in confidences:
        log.add(Outputs(np.log([[p, 1 - p]]), labels))
    found = log.means()
    entropies = [-(p * np.log(p) + (1 - p) * np.log(1 - p)) for p in confidences]
    assert found["confidence"] == pytest.approx(np.mean(confidences))
    assert found["max-confidence"] == pytest.approx(
        np.mean(np.maximum(confidences, 1 - np.array(confidences)))
    )
    assert found["entropy"] == pytest.approx(np.mean(entropies))
    assert found["accuracy"] == pytest.approx(1 / (LAST + 1))
    assert found["loss"] == pytest.approx(np.mean(np.arange(1.0, LAST + 1)))


def test_the_distance_of_a_linear_model_is_the_distance_to_its_boundary() -> None:
    """z = (x₁, x₂, −9): the boundary of the first two is the diagonal."""
    points = np.array([[3.0, 1.0], [2.0, 2.0], [0.0, 5.0]])
    logits = np.column_stack([points, np.full(3, -9.0)])
    slopes = np.full(3, np.sqrt(2))  # of z₁ − z₂ by x
    assert measure_distances(logits, slopes) == pytest.approx(
        np.abs(points[:, 0] - points[:, 1]) / np.sqrt(2)
    )
    assert measure_distances(logits, np.zeros(3)).tolist() == [np.inf] * 3


def test_entanglement_of_two_pairs_on_a_line() -> None:
    """Means 0 and 10, each ± 1: variances 1 + 1, over half of 25 + 25."""
    features = np.array([[-1.0], [1.0], [9.0], [11.0]])
    mask = np.array([False, False, True, True])
    assert measure_entanglement(features, mask) == pytest.approx(2 / 25)
    assert measure_entanglement(features, ~mask) == pytest.approx(2 / 25)
    assert measure_entanglement(features, np.array([True, False, False, True])) > 1e3


def test_groups_are_cut_by_the_distance_from_the_mean() -> None:
    groups = group_by_distance(np.array([[0.0], [-4.0], [1.0], [4.0], [-1.0]]), 2)
    assert [np.flatnonzero(g).tolist() for g in groups] == [[1, 3], [2, 4]]


def test_clusters_are_numbered_by_their_size_and_features_count_alike() -> None:
    rng = np.random.default_rng(0)
    where = np.repeat([0, 1, 2], [10, 50, 30])
    features = np.column_stack([where * 1e-3, rng.normal(size=90) * 1e-6, np.ones(90)])
    features[:, 1] += where * 1e-3
    found = cluster_by_size(features, 3, seed=0)
    assert [set(found[where == n]) for n in (1, 2, 0)] == [{0}, {1}, {2}]


def test_no_two_models_of_neighbouring_tasks_share_a_seed() -> None:
    roles = [
        ORIGINAL,
        SCORING,
        *map(early_role, range(1, 6)),
        *map(memorisation_role, range(1, 41)),
        *map(reference_role, range(1, 9)),
        *map(shadow_role, range(16)),
        *map(repeat_role, range(8)),
    ]
    seeds = [training_seed(role, task) for role in roles for task in range(20)]
    assert len(set(seeds)) == len(seeds)


REFUSED = [
    ("cluster:1", "its form is cluster:NAME:NUMBER:CLUSTERS"),
    ("cluster:1:10", r"valid numbers of clusters: 0\.\.9"),
    ("cluster:eleven:0", "0, 1, 2, 3"),
    ("cluster:1:0:50", "need 500 training examples; 1 has 126"),
    ("proxy:beauty:low:50", "valid: confidence, max-confidence, entropy, accuracy"),
    ("proxy:", "unknown proxy|its form is"),
    ("proxy:confidence:50", "its form is proxy:"),
    ("proxy:confidence:low:9", "at least 10"),
    ("memorised:50", r"its form is memorised:top\|low\|mid:COUNT"),
    ("memorised:best:50", "valid: top, low, mid"),
    ("memorised:top:1195", "as many retained"),
    ("memorised:top:50:many", "no whole number"),
    ("memorised:top:50:5", "at least 10"),
    ("memorised:top:50:16", "16 models; valid: multiples of 10"),
    ("memorised:top:50:20:7", "its form is memorised:"),
    ("el2n:top:1195", "as many retained"),
    ("el2n:best:50", "valid: top, low, mid"),
    ("loss:50", "its form is loss:"),
    ("boundary:many", "no whole number"),
    ("boundary:1195", "as many retained"),
    ("entangled:mid:50", "valid: hi, lo"),
    ("worst:50", "its form is worst:METHOD:COUNT"),
    ("worst:finetun:50", "did you mean finetune"),
    ("worst:unsir:50", "unsir forgets whole classes alone"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "reason"), REFUSED, ids=[spec for spec, _ in REFUSED])
def test_a_bad_argument_is_refused_before_anything_is_trained(spec: str, reason: str) -> None:
    with pytest.raises(InvalidValue, match=reason) as raised:
        Task.named(f"digits-{spec}").load()
    assert "\n" not in str(raised.value)


def test_without_a_model_there_is_no_mask(digits: Dataset) -> None:
    forgotten = forget_set("loss:top:50", 0)
    assert isinstance(forgotten, ScoredForgetSet)
    with pytest.raises(InvalidValue, match="chosen by a scoring model"):
        forgotten.mask(digits)
