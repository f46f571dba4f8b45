"""The fronts of two sweeps in one plane, as a PNG."""

from __future__ import annotations

import io
from dataclasses import dataclass
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from orchestrator.results.figures.axes import COST, X, Y, is_drawable
from orchestrator.results.figures.plane import FAINT, INK, style_plane
from orchestrator.results.figures.points import COLOURS, CostScale, make_scale, spell_cost
from orchestrator.results.figures.values import escape_math
from orchestrator.results.sweep_rows import Row

SHAPES = "o", "s"
LEAST, MOST = 24.0, 220.0
"""Areas of the markers of the least and the highest cost, in points squared."""


@dataclass(frozen=True)
class Side:
    """One of the two sweeps."""

    name: str
    points: list[Row]
    """All measured points, those of the front included."""
    front: list[Row]
    original: Row | None
    references: list[Row]


def render_two_fronts(task: str, verdict: str, first: Side, second: Side) -> bytes:
    """Draw both fronts, each in its own colour and shape, over all points; return a PNG."""
    figure = Figure(figsize=(9.5, 6.6), dpi=150, facecolor="white")
    figure.subplots_adjust(left=0.085, right=0.98, top=0.85, bottom=0.17)
    axes = figure.add_subplot()
    sides = first, second
    costs = make_scale([row for side in sides for row in side.front])
    for side, colour, shape in zip(sides, COLOURS, SHAPES, strict=False):
        _draw_points(axes, side, colour, shape, costs)
        _draw_models(axes, side, colour)
    style_plane(axes)
    axes.legend(frameon=False, fontsize=9.5, labelcolor=INK, loc="best")
    figure.text(
        0.085,
        0.945,
        escape_math(f"Two fronts of {task}"),
        fontsize=15,
        fontweight="bold",
        color=INK,
    )
    figure.text(0.085, 0.875, escape_math(fill(verdict, 120)), fontsize=10, color=FAINT)
    span = f"{100 * costs.least:.2g} % to {spell_cost(costs.most)}"
    told = (
        "Strong markers are on the front, chosen on the validation half; drawn is the test half. A larger marker "
        f"cost more, from {span}. Stars: the original (hollow) and the retrained models."
    )
    figure.text(0.085, 0.02, fill(told, 135), fontsize=8.5, color=FAINT, va="bottom")
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()


def _draw_points(axes: Axes, side: Side, colour: str, shape: str, costs: CostScale) -> None:
    on_front = {id(row) for row in side.front}
    rest = [row for row in side.points if id(row) not in on_front and is_drawable(row)]
    axes.scatter(
        [row[X] for row in rest], [row[Y] for row in rest],
        s=LEAST, c=colour, marker=shape, alpha=0.18, linewidths=0, zorder=2,
    )  # fmt: skip
    axes.scatter(
        [row[X] for row in side.front], [row[Y] for row in side.front],
        s=[LEAST + (MOST - LEAST) * costs.compute_share(row[COST]) for row in side.front],
        c=colour, marker=shape, alpha=0.85, edgecolors=INK, linewidths=1.0, zorder=3,
        label=escape_math(f"{side.name}: {len(side.front)} points on the front"),
    )  # fmt: skip


def _draw_models(axes: Axes, side: Side, colour: str) -> None:
    original = side.original
    if original is not None and is_drawable(original):
        axes.scatter(
            original[X],
            original[Y],
            s=260,
            marker="*",
            facecolors="none",
            edgecolors=colour,
            zorder=1,
        )
    for row in filter(is_drawable, side.references):
        axes.scatter(
            row[X],
            row[Y],
            s=110,
            marker="*",
            c=colour,
            edgecolors="white",
            linewidths=0.8,
            zorder=1,
        )
