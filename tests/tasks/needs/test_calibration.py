"""The calibration split: what it takes from the held-out data, whose keys know of it, and that no result reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tasks.datasets.dataset import Dataset, LabelledImages
from tasks.datasets.halves import CALIBRATION_SHARE, cut_held_out, held_out_halves
from tasks.errors import InvalidValue
from tasks.needs import CALIBRATION
from tasks.references import outputs_key, use_references
from tasks.roles import ORIGINAL, RETRAINED
from tasks.unlearners.base import Unlearner
from tasks.workbench import Workbench

LABELS = st.lists(st.integers(0, 6), min_size=1, max_size=300).map(np.array)
SEEDS = st.integers(0, 10_000)


def halves_before_calibration(labels: np.ndarray, seed: int) -> list[np.ndarray]:
    """The cut as it was before there was a calibration split: stored rows stand on it."""
    rng = np.random.default_rng(seed)
    halves: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for position, label in enumerate(np.unique(labels)):
        members = rng.permutation(np.flatnonzero(labels == label))
        cut = (len(members) + position % 2) // 2
        halves[0].append(members[:cut])
        halves[1].append(members[cut:])
    return [np.sort(np.concatenate(half)) for half in halves]


@given(labels=LABELS, seed=SEEDS)
def test_without_it_the_halves_are_what_they_were(labels: np.ndarray, seed: int) -> None:
    for found, before in zip(
        held_out_halves(labels, seed), halves_before_calibration(labels, seed), strict=True
    ):
        assert found.dtype == before.dtype
        assert np.array_equal(found, before)
    assert len(cut_held_out(labels, seed).calibration) == 0


@given(labels=LABELS, seed=SEEDS)
def test_the_parts_are_disjoint_and_cover_the_held_out_data(labels: np.ndarray, seed: int) -> None:
    parts = cut_held_out(labels, seed, CALIBRATION_SHARE)
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(labels)))
    for part, half in zip(parts, held_out_halves(labels, seed), strict=False):
        assert set(part) <= set(half)
    assert all(np.array_equal(part, np.sort(part)) for part in parts)


@given(labels=LABELS, seed=SEEDS)
def test_each_class_gives_its_share_and_stays_in_both_halves(labels: np.ndarray, seed: int) -> None:
    """From three images on a class has one in each part; of one or two it gives none."""
    parts = cut_held_out(labels, seed, CALIBRATION_SHARE)
    counts = [np.bincount(labels[part], minlength=7) for part in parts]
    for validation, test, calibration in zip(*counts, strict=True):
        size = validation + test + calibration
        if size >= 3:
            assert min(validation, test, calibration) >= 1
            assert abs(calibration - CALIBRATION_SHARE * size) <= 1
        else:
            assert calibration == 0
        assert abs(validation - test) <= 2


def test_on_the_digits_it_takes_a_tenth_of_each_class(digits: Dataset) -> None:
    labels = digits.held_out.labels
    taken = np.bincount(labels[cut_held_out(labels, 0, CALIBRATION_SHARE).calibration])
    assert taken == pytest.approx(CALIBRATION_SHARE * np.bincount(labels), abs=1)


def test_it_is_in_the_key_of_the_task_but_not_of_its_models(
    bench: Workbench, calibrated_bench: Workbench
) -> None:
    """Rows on other halves are not mixed, outputs on them not reused; the models are the same."""
    plain, kept = bench.task, calibrated_bench.task
    assert kept == replace(plain, calibration=True)
    assert plain.key(bench.dataset) != kept.key(bench.dataset)
    assert outputs_key(bench, 0) != outputs_key(calibrated_bench, 0)
    for role in (ORIGINAL, RETRAINED):
        assert bench.key(role) == calibrated_bench.key(role)


@dataclass(frozen=True)
class Asks(Unlearner):
    """Needs the calibration split."""

    needs: ClassVar[frozenset[str]] = frozenset({CALIBRATION})


def test_only_a_method_that_asks_for_it_gets_it(
    bench: Workbench, calibrated_bench: Workbench
) -> None:
    given, _ = calibrated_bench.problem(Asks(), 0)
    assert given.calibration is calibrated_bench.calibration
    assert calibrated_bench.problem(Unlearner(), 0)[0].calibration is None
    with pytest.raises(
        InvalidValue, match=r"^Asks needs a calibration split, and .*digits-class:1"
    ):
        bench.problem(Asks(), 0)


@pytest.fixture
def spoilable(calibrated_bench: Workbench, digits: Dataset) -> tuple[Workbench, LabelledImages]:
    """A workbench of its own with references, and its held-out data, which may be changed under it."""
    held_out = LabelledImages(digits.held_out.images.copy(), digits.held_out.labels.copy())
    dataset = replace(digits, held_out=held_out)
    bench = Workbench(
        calibrated_bench.task, dataset, calibrated_bench.cache.root, torch.device("cpu")
    )
    use_references(bench, 2)
    return bench, held_out


def spoil(held_out: LabelledImages, indices: np.ndarray) -> None:
    """Give images their negatives and labels another class, in place."""
    held_out.images[indices] = 255 - held_out.images[indices]
    held_out.labels[indices] = (held_out.labels[indices] + 1) % 10


def test_no_result_reads_it(spoilable: tuple[Workbench, LabelledImages]) -> None:
    """The last lines guard the first: what a result reads does change it."""
    bench, held_out = spoilable
    parts = bench.task.cut(held_out.labels)
    model, _ = bench.model(bench.artifact(ORIGINAL))
    before = bench.evaluate(model)
    labels = bench.calibration.labels()
    spoil(held_out, parts.calibration)
    assert not torch.equal(bench.calibration.labels(), labels)
    assert bench.evaluate(model) == before
    for half in (parts.validation, parts.test):
        spoil(held_out, half)
        after = bench.evaluate(model)
        assert after != before
        before = after


def test_references_are_measured_on_the_smaller_halves(
    spoilable: tuple[Workbench, LabelledImages], workbenches: Callable[..., Workbench]
) -> None:
    bench, held_out = spoilable
    parts, references = bench.task.cut(held_out.labels), bench.references
    assert references is not None
    assert references.validation.shape[1] == len(parts.validation)
    assert references.test.shape[1] == len(parts.test)
    assert len(parts.test) < len(workbenches("digits-class:1").task.cut(held_out.labels).test)
