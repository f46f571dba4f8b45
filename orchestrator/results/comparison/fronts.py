"""Whether the fronts of two sweeps differ beyond their noise, by the rule in orchestrator.results.comparison.ruler."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.results.columns import COLUMNS
from orchestrator.results.comparison.ruler import (
    ACCURACY,
    COST,
    HIDDEN,
    ComparedFront,
    is_number,
    measure_front,
)
from orchestrator.results.objectives import Objective
from orchestrator.results.sweep_rows import ORIGINAL, Row, Sweep
from tasks.errors import InvalidValue


@dataclass(frozen=True)
class Comparison:
    """The fronts of two sweeps of one task. In a notebook it shows itself as a picture."""

    first: ComparedFront
    second: ComparedFront
    notices: tuple[str, ...]
    """What makes the two less alike than one would think, a line each."""

    @property
    def difference(self) -> float:
        """Hypervolume of the second front less that of the first."""
        return self.second.volume - self.first.volume

    @property
    def noise(self) -> float | None:
        """What a difference must exceed to be more than noise; None if nothing is known of it."""
        parts = [front.noise for front in (self.first, self.second)]
        known = [part for part in parts if part is not None]
        return math.hypot(*known) if len(known) == len(parts) else None

    @property
    def differs(self) -> bool | None:
        """Whether the fronts differ beyond their noise; None if nothing is known of it."""
        return None if self.noise is None else abs(self.difference) > self.noise

    @property
    def verdict(self) -> str:
        """The answer in one line."""
        better = self.second if self.difference > 0 else self.first
        told = f"their hypervolumes differ by {abs(self.difference):.3f}"
        if self.noise is None:
            return f"Unknown whether the fronts differ: {told}, and a sweep has fewer than two references"
        if self.differs:
            return f"The front of {better.name} is better beyond the noise: {told}, the noise is {self.noise:.3f}"
        return f"The fronts do not differ beyond their noise: {told}, the noise is {self.noise:.3f}"

    def list_lines(self) -> Iterator[tuple[str, ...]]:
        """Yield what is compared, and its value for each of the two sweeps."""
        pair = self.first, self.second
        others = self.second, self.first
        yield ("trials", *(str(_count_trials(front)) for front in pair))
        yield ("of these failed", *(str(len(front.sweep.failures)) for front in pair))
        yield ("points on the front", *(str(len(front.points)) for front in pair))
        counts = (a.count_dominated(b) for a, b in zip(pair, others, strict=True))
        yield ("of these dominated by the other front", *map(str, counts))
        yield ("hypervolume", *(_spell_volume(front) for front in pair))
        for axis, (name, pick) in enumerate(
            ((ACCURACY, "best"), (HIDDEN, "best"), (COST, "least"))
        ):
            best = (max((p[axis] for p in front.points), default=None) for front in pair)
            yield (f"{pick} {_title(name)}", *("-" if v is None else f"{abs(v):.4f}" for v in best))
        chosen = [front.recommended for front in pair]
        yield ("recommended", *(row["trial_id"] if row else "-" for row in chosen))
        yield ("at epoch", *(str(row["epoch"]) if row else "-" for row in chosen))
        for name in (ACCURACY, HIDDEN, COST):
            its = (row[name] if row else None for row in chosen)
            yield (f"its {_title(name)}", *("-" if v is None else f"{v:.4f}" for v in its))

    def render_png(self) -> bytes:
        """Draw both fronts in one plane; return a PNG."""
        from orchestrator.results.figures.two_fronts import Side, render_two_fronts

        sides = [
            Side(
                f.name,
                _drawable(f.sweep.points),
                f.rows,
                f.sweep.baseline(ORIGINAL),
                f.sweep.references,
            )
            for f in (self.first, self.second)
        ]
        return render_two_fronts(self.first.sweep.task, self.verdict, sides[0], sides[1])

    def draw(self, path: Path) -> None:
        """Write the picture as PNG; raise OSError if the file cannot be written."""
        path.write_bytes(self.render_png())

    def _repr_png_(self) -> bytes:
        return self.render_png()


def compare_fronts(
    first: Sweep, second: Sweep, objectives: tuple[Objective, Objective]
) -> Comparison:
    """Compare the fronts of two sweeps, from all their rows. `objectives` are what the two optimised.

    By these each recommends a point, as it does alone; the front is that of the ruler. Raises InvalidValue if
    they have not the same task and data, for a sweep without rows, and for one sweep given twice.
    """
    if first.name == second.name:
        raise InvalidValue(f"{first.name!r} is given twice: a comparison needs two sweeps")
    for sweep in (first, second):
        if not sweep.rows:
            raise InvalidValue(f"sweep {sweep.name!r} has no rows yet")
    if first.task != second.task:
        raise InvalidValue(
            f"sweep {first.name!r} is of task {first.task}, {second.name!r} of {second.task}: only sweeps of one "
            "task can be compared"
        )
    data = [_values(sweep, "data") for sweep in (first, second)]
    if all(data) and data[0] != data[1]:
        raise InvalidValue(
            f"sweeps {first.name!r} and {second.name!r} have the same task, and other data: their accuracies "
            "cannot be compared"
        )
    fronts = measure_front(first, objectives[0]), measure_front(second, objectives[1])
    return Comparison(*fronts, tuple(_list_notices(*fronts)))


def _list_notices(*fronts: ComparedFront) -> Iterator[str]:
    for front in fronts:
        if front.unmeasured:
            yield (
                f"{front.unmeasured} points of {front.name} would be on its front and were not measured whole, so that "
                "its hypervolume is too small: a sweep of another objective needs --measure all"
            )
    first, second = (front.sweep for front in fronts)
    for column, what in (("model", "models"), ("task_seed", "seeds, hence splits,")):
        a, b = (_values(sweep, column) for sweep in (first, second))
        if a and b and a != b:
            told = " and ".join(", ".join(sorted(map(str, values))) for values in (a, b))
            yield f"the {what} differ ({told}), which the noise between retrains does not cover"


def _values(sweep: Sweep, column: str) -> set[Any]:
    return {row[column] for row in sweep.rows if row[column] is not None}


def _count_trials(front: ComparedFront) -> int:
    return sum(bool(row["final"]) for row in front.sweep.rows if row["role"] == "trial")


def _spell_volume(front: ComparedFront) -> str:
    return f"{front.volume:.3f} ± " + ("?" if front.noise is None else f"{front.noise:.3f}")


def _title(name: str) -> str:
    headline = COLUMNS[name].headline or name
    return headline.replace("-\n", "").replace("\n", " ")


def _drawable(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if is_number(row[ACCURACY]) and is_number(row[HIDDEN])]
