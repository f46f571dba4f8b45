"""Pareto dominance and hypervolume of plain lists of numbers. Larger is better for every value."""

from __future__ import annotations

from collections.abc import Sequence

Point = Sequence[float]


def dominates(a: Point, b: Point) -> bool:
    """Tell whether `a` is at least as good as `b` in every value and better in one."""
    return all(x >= y for x, y in zip(a, b, strict=True)) and tuple(a) != tuple(b)


def find_front(points: Sequence[Point]) -> list[int]:
    """Return the indices of the points that no other dominates, in their order.

    Among equal points, the first is on the front.
    """
    kept: list[int] = []
    for index in sorted(range(len(points)), key=lambda i: (tuple(points[i]), -i), reverse=True):
        # Sorted best first: a later point can never dominate an earlier one.
        if not any(_covers(points[other], points[index]) for other in kept):
            kept.append(index)
    return sorted(kept)


def join_front(
    kept: Sequence[tuple[float, ...]], point: tuple[float, ...]
) -> list[tuple[float, ...]]:
    """Return the front of the points of a front `kept` and one more point."""
    if any(_covers(other, point) for other in kept):
        return list(kept)
    return [*(other for other in kept if not _covers(point, other)), point]


def compute_hypervolume(points: Sequence[Point], reference: Point) -> float:
    """Compute the volume that `points` dominate above `reference`, in the product of the axes' units.

    Exact, by exclusive contributions (While et al., 2012, "A fast way of calculating exact
    hypervolumes"); meant for fronts of up to a few hundred points.
    """
    above = [tuple(p) for p in points if all(x > r for x, r in zip(p, reference, strict=True))]
    return _volume(sorted((above[i] for i in find_front(above)), reverse=True), tuple(reference))


def _volume(points: list[tuple[float, ...]], reference: tuple[float, ...]) -> float:
    if len(reference) == 1:
        return max((p[0] - reference[0] for p in points), default=0.0)
    total = 0.0
    for index, point in enumerate(points):
        box = 1.0
        for x, r in zip(point, reference, strict=True):
            box *= x - r
        limited = [tuple(map(min, point, other)) for other in points[index + 1 :]]
        rest = sorted((limited[i] for i in find_front(limited)), reverse=True)
        total += box - _volume(rest, reference)
    return total


def _covers(a: Point, b: Point) -> bool:
    return all(x >= y for x, y in zip(a, b, strict=True))
