"""A confirmed front as a PNG: each point as the search measured it, and its mean over fresh seeds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

from matplotlib.figure import Figure

from orchestrator.results.columns import find_bounds
from orchestrator.results.confirmation.repeats import Confirmation, Estimate, Repeated
from orchestrator.results.confirmation.table import spell_seeds
from orchestrator.results.figures.axes import Axis, choose_axes
from orchestrator.results.figures.plane import FAINT, INK, STARS, style_plane
from orchestrator.results.figures.points import assign_colours, assign_shapes
from orchestrator.results.figures.values import escape_math, spell_count
from orchestrator.results.sweep_rows import ORIGINAL

CAPTION = (
    "Hollow: what the sweep measured. Filled: the mean over fresh seeds, with its 95 % confidence "
    "interval (Student's t) within what can be, from three seeds on."
)


def draw_confirmed(found: Confirmation, task: str, path: Path, points: str = "front") -> None:
    """Write the figure of the `points` (see POINTS) that ran again; raise OSError if the file cannot be written."""
    figure = Figure(figsize=(9.5, 6.6), dpi=180, facecolor="white")
    axes = figure.add_axes((0.085, 0.1, 0.89, 0.72))
    colours = assign_colours([point.searched for point in found.points])
    shapes = assign_shapes(list(colours))
    sides = choose_axes(found.objective)
    for role, model in found.baselines.items():
        _mark(axes, model, role, sides, {"marker": "*", "markersize": 17, "color": STARS[role]})
    for point in found.points:
        name = point.searched["unlearner"]
        look = {"marker": shapes[name], "markersize": 8, "color": colours[name]}
        _mark(axes, point, name, sides, look)
    style_plane(axes, sides)
    _frame(axes, [*found.points, *found.baselines.values()], sides)
    handles, labels = axes.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    axes.legend(once.values(), once.keys(), frameon=False, fontsize=9.5, labelcolor=INK)
    seeds = max(len(point.repeats) for point in found.points)
    title = f"What holds with fresh seeds: {task}"
    chances = [chance for chance in found.judge_points() if chance is not None]
    undominated = f"; {sum(chances):.1f} are undominated, on average" if chances else ""
    chosen = {
        "front": f"{spell_count(len(found.points), 'point')} of the front",
        "methods": spell_count(len(found.points), "method"),
    }
    told = f"{chosen[points]}, {spell_count(seeds, 'seed')}{undominated}."
    figure.text(0.085, 0.95, escape_math(title), fontsize=15, fontweight="bold", color=INK)
    figure.text(
        0.085,
        0.935,
        fill(f"{told} {CAPTION} {spell_seeds(found)}.", 125),
        fontsize=9.5,
        color=FAINT,
        va="top",
    )
    figure.savefig(path)


def _mark(
    axes: Any, model: Repeated, label: str, sides: tuple[Axis, Axis], look: dict[str, Any]
) -> None:
    """Draw the searched point, the mean with its intervals, and a line between the two; the original behind."""
    (x, y), (was_x, was_y) = (
        [model.over_seeds(side.column) for side in sides],
        [model.searched[side.column] for side in sides],
    )
    colour, depth = look["color"], 1.5 if label == ORIGINAL else 3
    style = {**look, "linestyle": "none", "zorder": depth}
    searched = was_x is not None and was_y is not None
    if searched:
        hollow = {"markerfacecolor": "none", "markeredgecolor": colour, "alpha": 0.6}
        axes.plot(was_x, was_y, **style, **hollow)
    if x is None or y is None:
        return
    if searched:
        axes.plot([was_x, x.mean], [was_y, y.mean], color=colour, linewidth=0.8, alpha=0.5)
    bars = {"xerr": _bars(x, sides[0]), "yerr": _bars(y, sides[1])}
    axes.errorbar(
        x.mean,
        y.mean,
        **bars,
        label=escape_math(label),
        markeredgecolor=INK,
        elinewidth=0.8,
        capsize=2,
        **style,
    )


def _frame(axes: Any, models: Sequence[Repeated], sides: tuple[Axis, Axis]) -> None:
    """Fit the axes to the points and their intervals."""
    for side, limit in zip(sides, (axes.set_xlim, axes.set_ylim), strict=True):
        means = [found for model in models if (found := model.over_seeds(side.column))]
        searched = [v for m in models if (v := m.searched[side.column]) is not None]
        values = [*searched, *(end for found in means for end in _ends(found, side))]
        room = max(0.05 * (max(values) - min(values)), 0.01)
        limit(min(values) - room, max(values) + room)


def _bars(found: Estimate, side: Axis) -> list[list[float]]:
    low, high = _ends(found, side)
    return [[max(0.0, found.mean - low)], [max(0.0, high - found.mean)]]


def _ends(found: Estimate, side: Axis) -> tuple[float, float]:
    """Return the ends of the interval that is drawn, within what can be."""
    return found.clip(*find_bounds(side.column))
