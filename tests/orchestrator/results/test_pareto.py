"""The Pareto front and its hypervolume, against brute force."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.results.pareto import compute_hypervolume, dominates, find_front, join_front

GRID = 4


def points(dimensions: int, most: int = 8) -> st.SearchStrategy[list[tuple[int, ...]]]:
    """Points on a small grid, some of them below the reference 0: ties and repeats are frequent."""
    return st.lists(st.tuples(*[st.integers(-1, GRID)] * dimensions), max_size=most)


any_points = st.integers(1, 4).flatmap(points)


def cells(corners: list[tuple[int, ...]], dimensions: int) -> int:
    """Unit cells of the grid below any of the corners: the volume, by counting."""
    return sum(
        any(all(low < high for low, high in zip(cell, corner, strict=True)) for corner in corners)
        for cell in itertools.product(range(GRID), repeat=dimensions)
    )


@settings(max_examples=300)
@given(any_points)
def test_hypervolume_is_the_count_of_dominated_cells(corners: list[tuple[int, ...]]) -> None:
    dimensions = len(corners[0]) if corners else 3
    assert compute_hypervolume(corners, (0,) * dimensions) == cells(corners, dimensions)


@settings(max_examples=300)
@given(any_points)
def test_the_front_is_what_no_other_point_dominates(corners: list[tuple[int, ...]]) -> None:
    expected = [
        i
        for i, p in enumerate(corners)
        if not any(dominates(q, p) for q in corners) and p not in corners[:i]
    ]
    assert find_front(corners) == expected


@given(any_points)
def test_a_front_that_points_join_one_by_one_is_the_front_of_all(
    corners: list[tuple[int, ...]],
) -> None:
    kept: list[tuple[float, ...]] = []
    for corner in corners:
        kept = join_front(kept, corner)
    assert sorted(kept) == sorted(corners[i] for i in find_front(corners))


@given(any_points, st.randoms(use_true_random=False))
def test_neither_depends_on_the_order(corners: list[tuple[int, ...]], random) -> None:  # type: ignore[no-untyped-def]
    mixed = corners.copy()
    random.shuffle(mixed)
    assert {corners[i] for i in find_front(corners)} == {mixed[i] for i in find_front(mixed)}
    reference = (0,) * (len(corners[0]) if corners else 1)
    assert compute_hypervolume(corners, reference) == compute_hypervolume(mixed, reference)


finite = st.floats(-100, 100, allow_nan=False)


@given(st.lists(st.tuples(finite, finite), max_size=15), st.tuples(finite, finite))
def test_hypervolume_in_the_plane_is_the_sum_of_stairs(
    corners: list[tuple[float, float]], reference: tuple[float, float]
) -> None:
    """Sweep from the right: each step adds the height that is new."""
    area, height = 0.0, reference[1]
    for x, y in sorted(corners, reverse=True):
        if x > reference[0] and y > height:
            area += (x - reference[0]) * (y - height)
            height = y
    assert compute_hypervolume(corners, reference) == pytest.approx(area, rel=1e-9, abs=1e-9)


@given(st.lists(st.tuples(finite, finite, finite), min_size=1, max_size=8))
def test_another_point_never_lowers_the_hypervolume(corners: list[tuple[float, ...]]) -> None:
    volumes = [compute_hypervolume(corners[:n], (-100,) * 3) for n in range(len(corners) + 1)]
    assert all(a <= b + 1e-6 for a, b in itertools.pairwise(volumes))


def test_the_front_alone_has_the_whole_hypervolume() -> None:
    corners = [(0.9, 0.2, -3.0), (0.8, 0.9, -5.0), (0.7, 0.1, -9.0), (0.85, 0.5, -1.0)]
    kept = [corners[i] for i in find_front(corners)]
    assert len(kept) == 3
    reference = (0, 0, -10)
    assert compute_hypervolume(kept, reference) == compute_hypervolume(corners, reference) > 0


def test_of_equal_points_the_front_has_the_first() -> None:
    assert find_front([(1, 2), (2, 1), (1, 2), (2, 1)]) == [0, 1]


def test_no_points_no_front_no_volume() -> None:
    assert find_front([]) == []
    assert compute_hypervolume([], (0, 0)) == 0
    assert compute_hypervolume([(1, 0), (0, 1)], (0, 0)) == 0, "points on the reference's edge"


def test_dominance_is_strict() -> None:
    assert dominates((1, 2), (1, 1))
    assert not dominates((1, 1), (1, 1))
    assert not dominates((2, 1), (1, 2))
    assert not dominates((1, 1), (1, 2))


def test_points_of_different_lengths_are_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        dominates((1, 2), (1, 2, 3))
    with pytest.raises(ValueError, match="zip"):
        compute_hypervolume([(1, 2)], (0, 0, 0))


def test_a_front_of_a_hundred_points_in_three_dimensions() -> None:
    """On a sphere's octant all are on the front; the volume approaches an eighth of the ball's."""
    steps = [math.pi / 2 * (i + 0.5) / 10 for i in range(10)]
    sphere = [
        (math.sin(a) * math.cos(b), math.sin(a) * math.sin(b), math.cos(a))
        for a in steps
        for b in steps
    ]
    assert len(find_front(sphere)) == 100
    assert 0.35 < compute_hypervolume(sphere, (0, 0, 0)) < math.pi / 6
